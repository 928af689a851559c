"""One picture, one face, one person learnt: or the reason why not, in a word."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import SecretStr

from config.clock import FakeClock
from config.errors import UserError
from config.household import Enrol
from edge.household.book import TemplateBook
from edge.household.enrolling import Enroller
from edge.household.examine import shortcoming
from models.catalogue import Store, entry_named
from models.faces import FaceDetector
from models.identity import SAME_PERSON, FaceIdentity
from models.loading import FACE_DETECTOR, checked_file
from models.quality import FaceQuality
from tests.edge.household.test_book import order, vault_of

GOOD = FaceQuality(size=1.0, pose=0.9, sharpness=0.8, light=0.9)


@pytest.mark.parametrize(
    ("part", "code"), [("pose", "turned"), ("sharpness", "blurred"), ("light", "bad_light")]
)
def test_each_shortcoming_has_its_own_word(part: str, code: str) -> None:
    assert shortcoming(GOOD) is None
    assert shortcoming(replace(GOOD, **{part: 0.1})) == code


class Desk:
    """An enroller with the real networks and a real vault."""

    def __init__(self, folder: Path, store: Store, clock: FakeClock) -> None:
        self.book, self.clock = TemplateBook(vault_of(folder), clock), clock
        entry = entry_named(FACE_DETECTOR)
        assert entry.family is not None
        self.enroller = Enroller(
            book=self.book,
            cameras=lambda: {"door"},
            open_faces=lambda: FaceDetector.open(
                checked_file(store, FACE_DETECTOR), family=entry.family, threshold=0.6
            ),
            open_identity=lambda: FaceIdentity.open(store, policy="household"),
            centre_url="http://127.0.0.1:1",
            node="node-home",
            token=SecretStr("token"),
        )

    def learn(self, image: np.ndarray | bytes, order: Enrol) -> str:
        data = image if isinstance(image, bytes) else cv2.imencode(".jpg", image)[1].tobytes()
        return self.enroller.learn(order, data)


@pytest.fixture
def store(shared: Path, tmp_path: Path) -> Store:
    found = Store(tmp_path / "models", shared / "models")
    for name in (FACE_DETECTOR, "face-reid-0095"):
        if found.find(entry_named(name)) is None:
            pytest.skip(f"needs the model {name} in {shared / 'models'}")
    return found


@pytest.fixture
def desk(tmp_path: Path, store: Store, clock: FakeClock) -> Desk:
    return Desk(tmp_path, store, clock)


def photo(shared: Path, name: str, times: int = 3) -> np.ndarray:
    face = np.asarray(cv2.imread(str(shared / "eval/face_pairs" / name)), np.uint8)
    wide = cv2.copyMakeBorder(face, 40, 40, 40, 40, cv2.BORDER_REPLICATE)
    size = (wide.shape[1] * times, wide.shape[0] * times)
    return np.asarray(cv2.resize(wide, size, interpolation=cv2.INTER_CUBIC), np.uint8)


@pytest.mark.shared
def test_a_good_photo_is_learnt_and_what_is_learnt_fits_another_photo(
    desk: Desk, shared: Path, store: Store
) -> None:
    made = order(desk.clock)
    assert desk.learn(photo(shared, "Abel_Pacheco_0001.jpg"), made) == "ok"
    assert desk.book.held() == (made.member,)
    with_faces = desk.enroller._open_faces()
    identity = FaceIdentity.open(store, policy="household")
    _, (template,) = desk.book.templates("door", identity.model)
    for name, is_same in (("Abel_Pacheco_0004.jpg", True), ("Angela_Bassett_0001.jpg", False)):
        picture = photo(shared, name)
        ((face,),) = with_faces.detect([picture])
        alike = float(template @ identity.vector(picture, face.landmarks))
        assert (alike >= SAME_PERSON) is is_same
    identity.close()
    with_faces.close()


@pytest.mark.shared
def test_what_cannot_be_learnt_is_named(desk: Desk, shared: Path) -> None:
    one, other = (photo(shared, f"{name}_0001.jpg") for name in ("Abel_Pacheco", "Angela_Bassett"))
    yard = np.full((480, 640, 3), 120, np.uint8)
    yard[200:296, 300:396] = cv2.resize(one, (96, 96))
    cases = {
        "many_faces": np.hstack([one, other]),
        "no_face": np.full((480, 640, 3), 120, np.uint8),
        "too_small": yard,
        "blurred": cv2.GaussianBlur(other, (0, 0), 9),
        "bad_light": (other * 0.25).astype(np.uint8),
        "no_picture": b"not a picture",
    }
    made = order(desk.clock)
    assert {code: desk.learn(image, made) for code, image in cases.items()} == {
        code: code for code in cases
    }
    assert desk.book.held() == ()


@pytest.mark.shared
def test_a_camera_that_may_not_recognise_its_household_learns_nobody(
    desk: Desk, shared: Path
) -> None:
    street = order(desk.clock, camera="street")
    assert desk.learn(photo(shared, "Abel_Pacheco_0001.jpg"), street) == "not_household"


def test_a_missing_network_is_the_answer_and_no_crash(tmp_path: Path, clock: FakeClock) -> None:
    def missing() -> FaceDetector:
        raise UserError(where="yunet-n", problem="is missing", remedy="menshen models pull")

    desk = Desk(tmp_path, Store(tmp_path, None), clock)
    desk.enroller._open_faces = missing
    assert desk.learn(np.zeros((64, 64, 3), np.uint8), order(clock)) == "no_model"


@pytest.mark.shared
def test_a_full_disk_is_the_answer_and_nobody_is_half_learnt(
    desk: Desk, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("edge.household.vault.os.fsync", full)
    assert desk.learn(photo(shared, "Abel_Pacheco_0001.jpg"), order(desk.clock)) == "not_stored"
    assert desk.book.held() == ()
