"""A node says that it lives: at once, every half minute, and through the broker when it dies."""

from __future__ import annotations

from config.clock import FakeClock
from config.topics import Topics
from config.wire import Presence, decode
from edge.delivery.presence import HEARTBEAT_S, PresenceSender


class Retained:
    """What a broker would keep of a topic."""

    def __init__(self) -> None:
        self.said: list[Presence] = []

    def publish(self, topic: str, payload: bytes, *, qos: int = 1, retain: bool = False) -> int:
        assert (topic, qos, retain) == (Topics("demo").presence("node-1"), 1, True)
        self.said.append(decode(Presence, payload, topic=topic))
        return len(self.said)


def test_a_heartbeat_comes_every_half_minute_with_what_waits_and_our_time(
    clock: FakeClock,
) -> None:
    waiting, link = 0, Retained()
    sender = PresenceSender(
        county="demo",
        node="node-1",
        clock=clock,
        outbox_events=lambda: waiting,
        cameras_online=lambda: 16,
    )
    sender.birth(link)  # type: ignore[arg-type]
    for second in range(1, 91):
        clock.advance(1)
        waiting = second
        left = sender.beat(link)  # type: ignore[arg-type]
        assert 0 < left <= HEARTBEAT_S
    assert [sign.outbox_events for sign in link.said] == [0, 30, 60, 90]
    assert {(sign.state, sign.cameras_online) for sign in link.said} == {("online", 16)}
    assert link.said[-1].at == clock.now()


def test_the_last_will_has_no_time_and_a_goodbye_has(clock: FakeClock) -> None:
    link = Retained()
    sender = PresenceSender(county="demo", node="node-1", clock=clock, outbox_events=lambda: 0)
    will = decode(Presence, sender.will().payload, topic=sender.will().topic)
    assert (will.state, will.at) == ("offline", None)
    sender.goodbye(link)  # type: ignore[arg-type]
    assert (link.said[-1].state, link.said[-1].at) == ("offline", clock.now())
