"""A home enrols its people: they are known at its camera, strangers are not, and it ends."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect
from pydantic import SecretStr
from sqlalchemy import create_engine, text

from config.clock import FakeClock
from config.event import Event
from edge.household.book import TemplateBook
from edge.household.household import FILE
from edge.household.vault import Vault
from models.identity import IDENTITY_MODEL
from tests.events import wait_until
from tests.stories.live_world import NODE, PASSWORD, TOKEN, LiveWorld

pytestmark = [pytest.mark.timeout(900), pytest.mark.shared, pytest.mark.browser]
FATHER = ("Abel_Pacheco_0001.jpg", "Abel_Pacheco_0004.jpg")
"""The photo that is enrolled, and another one of the same man, which the camera sees."""
STRANGER = "Angela_Bassett_0001.jpg"
FRAMES_PER_S = 10


def photo(shared: Path, name: str, times: int = 3) -> np.ndarray:
    """A face as a phone takes it: larger, and with something around it."""
    face = np.asarray(cv2.imread(str(shared / "eval/face_pairs" / name)), np.uint8)
    wide = cv2.copyMakeBorder(face, 40, 40, 40, 40, cv2.BORDER_REPLICATE)
    return np.asarray(
        cv2.resize(wide, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC), np.uint8
    )


def jpeg(image: np.ndarray) -> bytes:
    return cv2.imencode(".jpg", image)[1].tobytes()


def visits_clip(file: Path, faces: list[np.ndarray]) -> Path:
    """640x480, ten pictures a second: each face walks through the yard for 4 s, 3 s apart."""
    yard = np.kron(
        np.random.default_rng(3).integers(60, 150, (12, 16, 1)), np.ones((40, 40, 3))
    ).astype(np.uint8)
    with av.open(str(file), "w") as container:
        stream: Any = container.add_stream("libx264", rate=FRAMES_PER_S)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        stream.codec_context.gop_size = 10
        stream.options = {"preset": "ultrafast", "tune": "zerolatency", "crf": "18"}
        for number in range(len(faces) * 7 * FRAMES_PER_S):
            image = yard.copy()
            visit, moment = divmod(number, 7 * FRAMES_PER_S)
            if 2 * FRAMES_PER_S <= moment < 6 * FRAMES_PER_S:
                face = faces[visit]
                x = 60 + 5 * (moment - 2 * FRAMES_PER_S)
                image[120 : 120 + face.shape[0], x : x + face.shape[1]] = face
            frame = av.VideoFrame.from_ndarray(image, format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return file


@pytest.fixture
def world(tmp_path: Path, shared: Path) -> Iterator[LiveWorld]:
    models = shared / "models"
    if not (models / "face_reid_0095.onnx").is_file():
        pytest.skip(f"needs the face embedding {IDENTITY_MODEL} in {models}")
    faces = [
        np.asarray(cv2.resize(photo(shared, name, 1), (230, 230)), np.uint8)
        for name in (FATHER[1], STRANGER)
    ]
    clip = visits_clip(tmp_path / "visits.mp4", faces)
    built = LiveWorld(tmp_path, clip, names=("home",), home_face="household", mirror=models)
    built.start()
    wait_until(lambda: built.centre.relay.is_online(NODE), what="the node's link")
    yield built
    built.stop()


def rows(world: LiveWorld, statement: str) -> list[Any]:
    engine = create_engine(f"sqlite:///{next(world.settings.data_dir.glob('*.db'))}")
    with engine.connect() as connection:
        found = list(connection.execute(text(statement)).all())
    engine.dispose()
    return found


def seen(world: LiveWorld) -> list[Event]:
    """Everything that the centre was ever sent of faces."""
    bodies = rows(world, "select body from events where kind = 'face' order by id")
    return [Event.model_validate_json(row.body) for row in bodies]


def at_home(browser: Browser, world: LiveWorld) -> Page:
    page = browser.new_context(viewport={"width": 360, "height": 740}).new_page()
    page.set_default_timeout(60_000)
    page.goto(f"{world.url}/login")
    page.fill("#account", "owner")
    page.fill("#password", PASSWORD)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)
    page.goto(f"{world.url}/home")
    page.click("text=家人识别")
    return page


def enrol(page: Page, label: str, picture: bytes) -> None:
    page.fill("#label", label)
    page.set_input_files(
        "#photo", {"name": "face.jpg", "mimeType": "image/jpeg", "buffer": picture}
    )
    page.check("input[name=consent]")
    page.click("text=登记 Enrol")


def keep(page: Page, name: str) -> None:
    """A picture of the page, where ``MENSHEN_PICTURES`` names a folder for it."""
    folder = os.environ.get("MENSHEN_PICTURES")
    if folder is not None:
        # As tall as it is: the menu at the bottom edge would lie across its middle.
        page.set_viewport_size(
            {"width": 360, "height": page.evaluate("document.documentElement.scrollHeight")}
        )
        (Path(folder) / f"{name}.png").write_bytes(page.screenshot())
        page.set_viewport_size({"width": 360, "height": 740})


def everything(folder: Path) -> bytes:
    """All bytes of all files below a folder."""
    return b"".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())


def test_the_father_is_known_a_stranger_is_not_and_a_withdrawn_consent_is_heeded_everywhere(
    world: LiveWorld, shared: Path, chromium: Browser
) -> None:
    page = at_home(chromium, world)
    expect(page.locator("main")).to_contain_text("还没有登记家人")

    # What cannot be learnt is said in words, and nobody is enrolled by it.
    two = np.hstack([photo(shared, FATHER[0]), photo(shared, STRANGER)])
    enrol(page, "爸爸", jpeg(two))
    expect(page.locator("[role=alert]")).to_contain_text("不止一张脸")
    enrol(page, "爸爸", jpeg(cv2.GaussianBlur(photo(shared, FATHER[0]), (0, 0), 12)))
    expect(page.locator("[role=alert]")).to_be_visible()

    enrol(page, "爸爸", jpeg(photo(shared, FATHER[0])))
    expect(page.locator("[role=status]")).to_contain_text("登记好了")
    wait_until(lambda: page.reload() and page.locator("text=已登记在设备上").count(), what="report")
    (member,) = [
        row.id for row in rows(world, "select id from face_consents where state='enrolled'")
    ]

    keep(page, "household-phone-light")

    def firsts(who: str | None) -> list[Event]:
        """What was told first of visits that began after the enrolment."""
        return [
            event
            for event in seen(world)
            if event.revision == 0
            and event.visit > member
            and event.face is not None
            and event.face.member == who
        ]

    wait_until(lambda: firsts(member) and firsts(None), what="both visits", limit_s=120)
    father, stranger = firsts(member)[0], firsts(None)[0]
    alerts = "select event_id from alert_events"
    wait_until(lambda: not rows(world, "select 1 from routing_queue"), what="every event decided")
    raised = {row.event_id for row in rows(world, alerts)}
    assert stranger.id in raised
    assert father.id not in raised
    reasons = rows(world, f"select reason_zh from decisions where event_id = '{father.id}'")
    assert "家人" in reasons[0].reason_zh

    page.goto(f"{world.url}/home")
    expect(page.locator(".film")).to_contain_text("家人：爸爸")

    no_face_has_left_the_node(world, shared)

    # The device is off when the consent is withdrawn, and hears of it when it is back.
    world.stop_node()
    wait_until(lambda: not world.centre.relay.is_online(NODE), what="the node gone")
    page.goto(f"{world.url}/home/household")
    page.click("button:has-text('删除')")
    expect(page.locator("main")).to_contain_text("设备离线，一恢复就删除")
    book = world.folder / "edge" / NODE / FILE
    assert held(book) == {member}
    world.start_node()
    wait_until(lambda: held(book) == set(), what="the face erased on the device")
    wait_until(lambda: page.reload() and page.locator("text=设备上已删除").count(), what="the word")
    told = [row.action for row in rows(world, "select action from audit where actor='owner'")]
    assert {"household-enrolled", "household-refused", "household-withdrawn"} <= set(told)


def held(book: Path) -> set[str]:
    """Who is in the vault, as its own node reads it."""
    vault = Vault(book, node=NODE, token=SecretStr(TOKEN))
    return set(TemplateBook(vault, FakeClock()).held())


def no_face_has_left_the_node(world: LiveWorld, shared: Path) -> None:
    """Neither template nor enrolment photo is on any disk, but sealed and for one user only."""
    book = world.folder / "edge" / NODE / FILE
    assert stat.S_IMODE(book.stat().st_mode) == 0o600
    disks = everything(world.folder / "edge") + everything(world.settings.data_dir)
    vault = Vault(book, node=NODE, token=SecretStr(TOKEN))
    _, (template,) = TemplateBook(vault, FakeClock()).templates("home", IDENTITY_MODEL)
    floats = template.astype("<f4").tobytes()
    for start in range(0, len(floats) - 16, 16):
        assert floats[start : start + 16] not in disks
    sent = jpeg(photo(shared, FATHER[0]))
    for start in range(600, len(sent) - 64, 64):
        assert sent[start : start + 64] not in disks
