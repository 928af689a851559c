"""Health events of a camera: begun once, ended once, root cause first."""

from __future__ import annotations

from edge.camera import CameraState
from edge.health import CameraHealth
from edge.stream import Fault

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
