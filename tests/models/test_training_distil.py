"""Learning what YuNet says: its answers are decoded as in use, and its student can be exported."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="opt-in: pip install 'menshen[train]'")
onnx = pytest.importorskip("onnx", reason="opt-in: pip install 'menshen[train]'")

from config.errors import UserError  # noqa: E402
from models.catalogue import WEIGHTS  # noqa: E402
from models.face_decode import decode_yunet  # noqa: E402
from models.images import load_image  # noqa: E402
from models.session import open_session  # noqa: E402
from models.training.export import export_faces  # noqa: E402
from models.training.faces.distil import Student, loss_of, shipped, varied  # noqa: E402
from models.training.faces.teacher import FEATURES, Lesson, Teacher  # noqa: E402
from models.training.schedule import save_checkpoint  # noqa: E402
from models.training.train_detector import cell_centres, cell_strides  # noqa: E402

OURS = WEIGHTS / "face_plate_detector.onnx"
PEOPLE = Path(__file__).with_name("drawn_people.jpg")
SPREADS = tuple(torch.ones(FEATURES) for _ in range(3))


@pytest.fixture(scope="module")
def yunet(shared: Path) -> Path:
    return shared / "models" / "yunet_n_dynamic.onnx"


@pytest.fixture(scope="module")
def pictures() -> np.ndarray:
    people = load_image(PEOPLE)[:256, :480]
    return np.stack([people[:, :256], people[:, 200:456]])


def test_a_lesson_holds_what_the_teacher_answers_in_use(yunet: Path, pictures: np.ndarray) -> None:
    lesson = Teacher(yunet).teach(pictures)
    with open_session(yunet) as session:
        planes = np.ascontiguousarray(pictures.transpose(0, 3, 1, 2), np.float32)
        found = decode_yunet(session.run({"input": planes}), 256, 0.6)
    assert len(found.scores) > 4, "people are found"
    scores = lesson.scores.sigmoid().numpy()
    for index in range(2):
        mine = found.of_image(index)
        sure = np.flatnonzero(scores[index] >= 0.6)
        assert len(sure) == len(mine.scores)
        for score, box, marks in zip(mine.scores, mine.boxes, mine.landmarks, strict=True):
            cell = sure[np.abs(scores[index, sure] - score).argmin()]
            assert scores[index, cell] == pytest.approx(float(score), abs=1e-4)
            sides = lesson.sides[index, cell].numpy()
            assert np.allclose(sides, [*box[:2], *(box[:2] + box[2:])], atol=0.05)
            assert np.allclose(lesson.marks[index, cell].numpy(), marks.ravel(), atol=0.05)


def test_a_lesson_taken_apart_and_stacked_is_the_same(yunet: Path, pictures: np.ndarray) -> None:
    teacher = Teacher(yunet)
    both = teacher.teach(pictures)
    single = [[part[0] for part in teacher.teach(one[None]).parts] for one in pictures]
    stacked = Lesson.of([torch.from_numpy(np.stack(part)) for part in zip(*single, strict=True)])
    for mine, theirs in zip(stacked.parts, both.parts, strict=True):
        assert mine.shape == theirs.shape
        assert np.allclose(mine, theirs, atol=1e-3)


def test_four_pictures_are_taught_at_half_their_size_where_their_faces_lie_then(
    yunet: Path, pictures: np.ndarray
) -> None:
    teacher = Teacher(yunet)
    four = np.stack([pictures[0], pictures[1], pictures[1][:, ::-1], np.zeros_like(pictures[0])])
    picture, lesson = teacher.teach_smaller(four)
    own = teacher.teach(picture[None])
    assert picture.shape == pictures[0].shape
    assert [part.shape for part in lesson.parts] == [part.shape for part in own.parts]
    assert bool((lesson.scores >= own.scores).all())
    assert (lesson.scores > 0).sum() > (own.scores > 0).sum(), "small faces are told too"
    sure = lesson.scores[0] > 0
    places = torch.from_numpy(cell_centres(256))[sure]
    sides, marks = lesson.sides[0, sure], lesson.marks[0, sure].reshape(-1, 5, 2)
    reach = torch.from_numpy(cell_strides(256))[sure, None]
    assert bool(((sides[:, :2] < places + reach) & (sides[:, 2:] > places - reach)).all())
    assert bool(((marks.mean(1) > sides[:, :2]) & (marks.mean(1) < sides[:, 2:])).all())
    assert not bool(((places > 128).all(1)).any()), "nobody is told where the picture is black"
    halves = {(bool(x > 128), bool(y > 128)) for x, y in places.tolist()}
    assert len(halves) == 3


def test_another_network_is_no_teacher() -> None:
    with pytest.raises(UserError, match="menshen models pull yunet-n"):
        Teacher(OURS)


def test_who_says_what_the_teacher_says_loses_nothing(yunet: Path, pictures: np.ndarray) -> None:
    lesson = Teacher(yunet).teach(pictures)
    perfect = (lesson.scores, lesson.sides, lesson.marks)
    assert max(float(part) for part in loss_of(perfect, lesson)) < 1e-3
    blind = (torch.full_like(lesson.scores, -9.0), lesson.sides, lesson.marks)
    assert float(loss_of(blind, lesson)[0]) > 0.5
    askew = (lesson.scores, lesson.sides + 9.0, lesson.marks + 9.0)
    assert min(float(part) for part in loss_of(askew, lesson)[2:]) > 0.05


def test_a_picture_without_faces_is_no_division_by_nothing(yunet: Path) -> None:
    lesson = Teacher(yunet).teach(np.full((1, 64, 64, 3), 90, np.uint8))
    said = (lesson.scores - 1, lesson.sides, lesson.marks)
    assert all(bool(torch.isfinite(part)) for part in loss_of(said, lesson))


def test_a_student_begins_as_the_shipped_network_and_is_exported_as_one(
    tmp_path: Path, pictures: np.ndarray
) -> None:
    network = shipped(OURS, torch.from_numpy(pictures))
    student = Student(network, SPREADS).eval()
    learning = [name for name, one in student.named_parameters() if one.requires_grad]
    assert not any(name.startswith("network.plates.") for name in learning)
    save_checkpoint(tmp_path / "faces.pt", average=student.state_dict(), step=3)
    export_faces(tmp_path / "faces.pt", tmp_path / "faces.onnx")
    with open_session(OURS) as before, open_session(tmp_path / "faces.onnx") as after:
        old, new = (session.run({"images": pictures}) for session in (before, after))
    assert list(old) == list(new)
    for name, answer in old.items():
        assert np.allclose(answer, new[name], atol=1e-3)


def test_variations_keep_a_pictures_form(pictures: np.ndarray) -> None:
    rng = np.random.default_rng(4)
    made = [varied(pictures[0], pictures[1], rng) for _ in range(60)]
    assert all(one.shape == (256, 256, 3) and one.dtype == np.uint8 for one in made)
    assert any(np.array_equal(one, pictures[0][:, ::-1]) for one in made)
    assert len({one.tobytes() for one in made}) > 20
