"""Health events of cameras and their node: begun once, ended once, root cause first."""

from __future__ import annotations

from edge.health.camera_health import CameraHealth, Pulse
from edge.health.node_health import NodeHealth, Report, Resources
from edge.streams.stream import Fault
from edge.watching.camera import CameraState

UP = CameraState("gate", online=True)
LOST = CameraState("gate", online=False, fault=Fault.UNREACHABLE, problem="nobody answers")
REFUSED = CameraState("gate", online=False, fault=Fault.CREDENTIALS, problem="refused")


def test_a_short_break_is_no_event() -> None:
    health = CameraHealth()
    assert not health.changed(UP, 0)
    assert not health.changed(LOST, 1)
    assert not health.tick(9)
    assert not health.changed(UP, 10)
    assert not health.tick(100)


def test_offline_is_told_once_and_so_is_its_end() -> None:
    health = CameraHealth()
    health.changed(LOST, 0)
    first = [report for t in range(60) for report in health.tick(t)]
    health.changed(LOST, 61)
    assert [(r.condition, r.active, r.detail) for r in first] == [
        ("offline", True, "nobody answers")
    ]
    assert not health.tick(62)
    assert [(r.condition, r.active) for r in health.changed(UP, 63)] == [("offline", False)]


def test_a_refused_password_is_told_at_once_and_hides_the_offline_that_follows() -> None:
    health = CameraHealth()
    begun = health.changed(REFUSED, 0)
    assert [(r.condition, r.active) for r in begun] == [("wrong_credentials", True)]
    assert not health.tick(1000)
    assert not health.changed(REFUSED, 1001)
    ended = health.changed(UP, 1002)
    assert [(r.condition, r.active) for r in ended] == [("wrong_credentials", False)]


def pulses(health: CameraHealth, seconds: range, **pulse: object) -> list[tuple[str, bool]]:
    """A pulse every second; what is told of it."""
    rate = pulse.pop("rate", 25)
    told: list[tuple[str, bool]] = []
    for t in seconds:
        news = Pulse(**{"pictures": 25 * 1000 + t * rate, "width": 1920, "height": 1080} | pulse)  # type: ignore[arg-type, operator]
        told += [(report.condition, report.active) for report in health.pulse(news, t)]
    return told


def online() -> CameraHealth:
    health = CameraHealth()
    health.changed(UP, 0)
    assert pulses(health, range(60)) == []
    return health


def test_each_condition_must_hold_for_a_while_is_told_once_and_ends() -> None:
    for condition, pulse in (
        ("black", {"trouble": "black"}),
        ("moved", {"trouble": "moved"}),
        ("wrong_resolution", {"width": 704, "height": 576}),
        ("clock_skew", {"skew_s": -3600.0}),
    ):
        health = online()
        assert pulses(health, range(60, 65), **pulse) == []
        assert pulses(health, range(65, 70)) == [], "it was over before it was told"
        assert pulses(health, range(70, 120), **pulse) == [(condition, True)]
        assert pulses(health, range(120, 160)) == [(condition, False)]


def test_a_camera_that_sends_fewer_pictures_than_before_is_told() -> None:
    health = online()
    slow = [
        report.condition
        for t in range(60, 120)
        for report in health.pulse(Pulse(pictures=25 * 1060 + (t - 60) * 8), t)
    ]
    assert slow == ["low_frame_rate"]


def test_a_clock_within_two_seconds_is_right() -> None:
    assert pulses(online(), range(60, 120), skew_s=1.9) == []


def test_of_a_lost_camera_nothing_else_is_told() -> None:
    health = online()
    health.changed(LOST, 60)
    assert pulses(health, range(61, 100), trouble="black") == []


def run(node: NodeHealth, cameras: dict[str, CameraHealth], seconds: range) -> list[Report]:
    return [report for t in seconds for report in node.tick(cameras, t)]


def conditions(reports: list[Report]) -> list[tuple[str | None, str, bool]]:
    return [(name, report.condition, report.active) for name, report in reports]


def sixteen() -> dict[str, CameraHealth]:
    cameras = {f"cam-{i}": CameraHealth() for i in range(16)}
    for health in cameras.values():
        health.changed(UP, 0)
    return cameras


def test_a_dead_switch_is_one_event_and_not_sixteen() -> None:
    node, cameras = NodeHealth(), sixteen()
    for number, health in enumerate(cameras.values()):
        health.changed(LOST, 10 + number * 0.5)
    told = run(node, cameras, range(10, 100))
    assert conditions(told) == [(None, "offline", True)]
    assert "16 of 16" in told[0][1].detail
    assert "switch" in told[0][1].detail
    ended = [r for health in cameras.values() for r in health.changed(UP, 100)]
    assert ended == [], "nobody was told of them"
    assert conditions(run(node, cameras, range(100, 200))) == [(None, "offline", False)]


def test_cameras_lost_with_the_process_that_watched_them_are_no_dead_switch() -> None:
    node, cameras = NodeHealth(), sixteen()
    for name, health in cameras.items():
        health.changed(CameraState(name, online=False, problem="the process exited"), 10)
    told = run(node, cameras, range(10, 100))
    assert conditions(told) == [(name, "offline", True) for name in cameras]
    assert {report.detail for _, report in told} == {"the process exited"}


def test_the_camera_that_stays_away_when_the_switch_is_back_is_told_of() -> None:
    node, cameras = NodeHealth(), sixteen()
    for health in cameras.values():
        health.changed(LOST, 10)
    run(node, cameras, range(10, 60))
    for name, health in cameras.items():
        if name != "cam-3":
            health.changed(UP, 60)
    assert conditions(run(node, cameras, range(60, 120))) == [
        (None, "offline", False),
        ("cam-3", "offline", True),
    ]


def test_two_cameras_that_break_on_their_own_are_two_events() -> None:
    node, cameras = NodeHealth(), sixteen()
    cameras["cam-1"].changed(LOST, 10)
    cameras["cam-2"].changed(LOST, 500)
    assert conditions(run(node, cameras, range(10, 600))) == [
        ("cam-1", "offline", True),
        ("cam-2", "offline", True),
    ]


def test_a_camera_that_was_lost_long_before_the_switch_is_told_and_then_excused() -> None:
    node, cameras = NodeHealth(), sixteen()
    cameras["cam-0"].changed(LOST, 10)
    assert conditions(run(node, cameras, range(10, 100))) == [("cam-0", "offline", True)]
    for name, health in cameras.items():
        if name != "cam-0":
            health.changed(LOST, 100)
    told = conditions(run(node, cameras, range(100, 200)))
    assert (None, "offline", True) in told
    assert [name for name, _, active in told if active and name is not None] == []


def test_a_full_disk_and_a_growing_outbox_are_told_and_end_with_some_slack() -> None:
    node = NodeHealth()
    told = []
    for free, waiting in ((50, 0), (4, 0), (6, 3000), (9, 1500), (9, 10)):
        told += conditions(node.resources(Resources(free, 100, waiting)))
    assert told == [
        (None, "disk_full", True),
        (None, "queue_depth", True),
        (None, "disk_full", False),
        (None, "queue_depth", False),
    ]


def test_a_node_that_the_broker_refuses_says_so_at_once_and_when_it_is_over() -> None:
    node = NodeHealth()
    why = "the broker's access list denies this node its topic"

    def told(waiting: int, denied: str) -> list[tuple[str, bool, str]]:
        found = node.resources(Resources(free=50, total=100, waiting=waiting, denied=denied))
        return [(r.condition, r.active, r.detail) for _, r in found]

    assert told(0, why) == [], "nothing waits"
    assert told(1, why) == [("queue_depth", True, f"1 events wait: {why}")]
    assert told(2, why) == []
    assert told(2, "") == [("queue_depth", False, "")]
