"""A node's configuration: tried, kept when the centre is reached, taken back when it is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr, ValidationError

from config.clock import FakeClock
from config.desired import DesiredConfig, ReportedConfig, Seen, seal, unseal
from config.errors import UserError
from config.site import Camera, Site
from edge.delivery.configurator import MOST_TRIES, TRIAL_S, Configurator
from tests.events import MOMENT
from tests.small_disk import SmallDisk

KEY = SecretStr("token of node-1")
TOPIC = "desired/node-1"


def wanted(revision: int, cameras: tuple[Camera, ...] = (), node: str = "node-1") -> DesiredConfig:
    return DesiredConfig(node=node, revision=revision, issued_at=MOMENT, cameras=cameras)


class Cameras:
    """What runs now; a revision among ``bad`` cannot run."""

    def __init__(self, bad: frozenset[int] = frozenset()) -> None:
        self.running = 0
        self.bad = bad

    def apply(self, document: DesiredConfig | None) -> None:
        revision = document.revision if document else 0
        if revision in self.bad:
            raise UserError(where="camera", problem="cannot run", remedy="correct it")
        self.running = revision


def configurator(folder: Path, clock: FakeClock, cameras: Cameras) -> Configurator:
    return Configurator(folder, node="node-1", key=KEY, clock=clock, apply=cameras.apply)


def offer(made: Configurator, revision: int) -> ReportedConfig | None:
    return made.offer(seal(wanted(revision), KEY), topic=TOPIC)


def state(report: ReportedConfig | None) -> tuple[str, int, int]:
    assert report is not None
    return report.state, report.wanted, report.running


def test_what_reaches_the_centre_is_kept_over_a_restart(tmp_path: Path, clock: FakeClock) -> None:
    cameras = Cameras()
    made = configurator(tmp_path, clock, cameras)
    assert made.start() is None
    assert state(offer(made, 4)) == ("trying", 4, 4)
    clock.advance(TRIAL_S - 1)
    assert made.look() is None
    assert state(made.reached_centre()) == ("applied", 4, 4)
    clock.advance(10 * TRIAL_S)
    assert made.look() is None
    assert made.reached_centre() is None
    later = Cameras()
    told = configurator(tmp_path, clock, later).start()
    assert state(told) == ("applied", 4, 4), "the node may have ended before it could say so"
    assert later.running == 4


def test_out_of_reach_of_the_centre_the_last_good_one_comes_back_and_stays(
    tmp_path: Path, clock: FakeClock
) -> None:
    cameras = Cameras()
    made = configurator(tmp_path, clock, cameras)
    made.start()
    offer(made, 1)
    made.reached_centre()
    offer(made, 2)
    assert cameras.running == 2
    clock.advance(TRIAL_S)
    report = made.look()
    assert state(report) == ("rolled_back", 2, 1)
    assert cameras.running == 1
    # The broker sends the retained document again at each connection.
    assert offer(made, 2) is None
    again = configurator(tmp_path, clock, cameras)
    again.start()
    assert offer(again, 2) is None
    assert cameras.running == 1
    assert state(offer(again, 3)) == ("trying", 3, 3)


def test_what_cannot_run_is_refused_with_the_reason(tmp_path: Path, clock: FakeClock) -> None:
    cameras = Cameras(bad=frozenset({2}))
    made = configurator(tmp_path, clock, cameras)
    made.start()
    offer(made, 1)
    made.reached_centre()
    report = offer(made, 2)
    assert state(report) == ("refused", 2, 1)
    assert report is not None
    assert "cannot run" in report.problem
    assert cameras.running == 1
    assert not made.is_trying


def test_what_a_newer_centre_says_is_refused_by_its_number_and_once(
    tmp_path: Path, clock: FakeClock
) -> None:
    cameras = Cameras()
    made = configurator(tmp_path, clock, cameras)
    made.start()
    offer(made, 1)
    made.reached_centre()
    newer = wanted(2).model_copy(update={"v": 2})
    report = made.offer(seal(newer, KEY), topic=TOPIC)
    assert state(report) == ("refused", 2, 1)
    assert report is not None
    assert "v:" in report.problem
    assert made.offer(seal(newer, KEY), topic=TOPIC) is None
    assert cameras.running == 1


def test_what_was_kept_and_cannot_run_any_more_gives_way_to_what_was_installed(
    tmp_path: Path, clock: FakeClock
) -> None:
    first = configurator(tmp_path, clock, Cameras())
    first.start()
    offer(first, 1)
    first.reached_centre()
    cameras = Cameras(bad=frozenset({1}))
    again = configurator(tmp_path, clock, cameras)
    again.start()
    assert (cameras.running, again.running) == (0, 0)


def test_a_configuration_that_ends_the_node_is_tried_three_times(
    tmp_path: Path, clock: FakeClock
) -> None:
    cameras = Cameras()
    first = configurator(tmp_path, clock, cameras)
    first.start()
    offer(first, 1)
    for _ in range(MOST_TRIES - 1):
        assert state(configurator(tmp_path, clock, cameras).start()) == ("trying", 1, 1)
    assert state(configurator(tmp_path, clock, cameras).start()) == ("rolled_back", 1, 0)
    assert cameras.running == 0
    again = configurator(tmp_path, clock, cameras).start()
    assert state(again) == ("rolled_back", 1, 0), "told anew, not tried anew"
    assert again is not None
    assert again.problem == f"the node ended {MOST_TRIES} times under it"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    small = SmallDisk(tmp_path / "disk", megabytes=1)
    yield small
    small.close()


def test_a_full_disk_refuses_nothing_and_mixes_nothing(disk: SmallDisk, clock: FakeClock) -> None:
    cameras = Cameras()
    made = configurator(disk.folder / "conf", clock, cameras)
    made.start()
    offer(made, 1)
    disk.fill()
    for _ in range(3):
        with pytest.raises(OSError, match="space"):
            offer(made, 2)
    assert cameras.running == 1
    assert state(made.reached_centre()) == ("applied", 1, 1)
    later = Cameras()
    configurator(disk.folder / "conf", clock, later).start()
    assert later.running == 1, "what was kept is what was tried"
    disk.make_room()
    assert state(offer(made, 2)) == ("trying", 2, 2)


def test_a_full_disk_does_not_hold_a_node_to_what_cuts_it_off(
    disk: SmallDisk, clock: FakeClock
) -> None:
    cameras = Cameras()
    made = configurator(disk.folder / "conf", clock, cameras)
    made.start()
    offer(made, 1)
    disk.fill()
    clock.advance(TRIAL_S + 1)
    assert state(made.look()) == ("rolled_back", 1, 0)
    assert cameras.running == 0
    assert offer(made, 1) is None, "nor is it tried again when it comes again"


def test_older_and_forged_documents_change_nothing(tmp_path: Path, clock: FakeClock) -> None:
    cameras = Cameras()
    made = configurator(tmp_path, clock, cameras)
    made.start()
    offer(made, 5)
    made.reached_centre()
    for payload in (
        seal(wanted(4), KEY),
        seal(wanted(9), SecretStr("another token")),
        seal(wanted(9, node="node-2"), KEY),
        seal(Seen(node="node-1", seen=9), KEY),
        b"",
        b"{}",
        b"\xff" * 100,
        b"x" * 1_000_001,
    ):
        assert made.offer(payload, topic=TOPIC) is None
    assert cameras.running == 5


def test_damaged_files_do_not_stop_the_node(tmp_path: Path, clock: FakeClock) -> None:
    for name in ("good", "trial", "tries", "given-up"):
        (tmp_path / name).write_bytes(b"\xff\x00 damaged")
    cameras = Cameras()
    made = configurator(tmp_path, clock, cameras)
    assert made.start() is None
    assert state(offer(made, 1)) == ("trying", 1, 1)


@given(data=st.binary(min_size=1, max_size=3), place=st.integers(0, 10_000))
def test_no_changed_byte_goes_unnoticed(data: bytes, place: int) -> None:
    payload = seal(wanted(7), KEY)
    start = place % len(payload)
    forged = payload[:start] + data + payload[start + len(data) :]
    try:
        found = unseal(DesiredConfig, forged, node="node-1", key=KEY, where="test")
    except UserError:
        return
    assert found == wanted(7)


def test_a_camera_of_another_node_or_twice_is_no_document(example_site: Site) -> None:
    camera = example_site.cameras[0]
    with pytest.raises(ValidationError, match="is of node"):
        wanted(1, (camera,), node="somewhere-else")
    with pytest.raises(ValidationError, match="twice"):
        wanted(1, (camera, camera), node=camera.node)
