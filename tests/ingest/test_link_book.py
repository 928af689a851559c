"""The book of live links, and a database that was away when a node came."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from config.clock import FakeClock
from ingest import live_links
from ingest.live_links import STALE_AFTER, LinkBook


def test_a_link_that_came_while_the_database_was_away_is_entered_later(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine of the centre dies, with it perhaps the database; its nodes come to another."""
    clock = FakeClock()
    dead, one, two = (LinkBook(engine, clock, f"http://10.0.0.{n}:8080") for n in range(3))
    dead.hold("node-east", "link-0")
    dead.hold("node-south", "link-0-south")

    def away(_engine: Engine) -> None:
        raise OperationalError("UPDATE", {}, OSError("the database is away"))

    with monkeypatch.context() as broken:
        broken.setattr(live_links, "writing", away)
        for node in ("node-east", "node-west", "node-south"):
            with pytest.raises(OperationalError):
                one.hold(node, f"link-1-{node}")
    two.hold("node-south", "link-2")
    clock.advance(STALE_AFTER.total_seconds() + 1)
    two.refresh()
    one.refresh()
    two.refresh()
    assert two.address_of("node-east") == "http://10.0.0.1:8080"
    assert two.address_of("node-west") == "http://10.0.0.1:8080"
    one.refresh()
    assert one.address_of("node-south") == "http://10.0.0.2:8080", "a newer link is not touched"
