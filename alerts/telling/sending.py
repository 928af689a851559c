"""All that hands notices over: the pages, the chain of ways, and a dispatcher per channel."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from sqlalchemy import Engine

from alerts.channels.contacts import Contacts
from alerts.channels.duty_notes import DutyNotes
from alerts.channels.opening import open_channels
from alerts.channels.reach import Reach
from alerts.channels.removed import Removed
from alerts.hub import Bell, Hub
from alerts.telling.answers import KEY_NAME
from alerts.telling.dispatcher import Dispatcher, pause
from alerts.telling.notices import WEBHOOK
from alerts.web.base.keys import shared_key
from config.clock import Clock
from config.secrets import Secrets
from config.site import Site


class Work(NamedTuple):
    """One piece of work, and the bells that mean there may be some."""

    run: Callable[[], int]
    heeds: tuple[Bell, ...]


@dataclass(frozen=True, slots=True)
class Sending:
    """The work of telling people; each piece runs in a loop of its own."""

    reach: Reach
    dispatchers: dict[str, Dispatcher]
    """Per channel."""
    duty_notes: DutyNotes
    """What people are told about their duty, over the same channels."""
    removed: Removed
    """What waits for a channel that is not there."""

    @classmethod
    def open(
        cls,
        engine: Engine,
        site: Site,
        secrets: Secrets,
        clock: Clock,
        *,
        base_url: str,
        hub: Hub | None = None,
    ) -> Sending:
        """Open every channel of the site; ``base_url`` is where its links lead.

        Raises:
            UserError: a channel of the site lacks what it needs in the secrets file.
        """
        channels = open_channels(engine, site, secrets, clock)
        is_linked = site.telling.answer_links
        answer_key = shared_key(engine, clock, KEY_NAME) if is_linked else None
        contacts = Contacts(site, secrets, {channel.name for channel in channels} - {WEBHOOK})
        return cls(
            Reach(engine, site, clock, contacts=contacts, hub=hub),
            {
                channel.name: Dispatcher(
                    engine,
                    site,
                    clock,
                    channel=channel,
                    base_url=base_url,
                    hub=hub,
                    answer_key=answer_key,
                )
                for channel in channels
            },
            DutyNotes(
                engine,
                site,
                clock,
                contacts=contacts,
                channels={channel.name: channel for channel in channels},
                pause=pause,
                base_url=base_url,
            ),
            Removed(engine, clock, running={channel.name for channel in channels}, hub=hub),
        )

    def works(self) -> dict[str, Work]:
        """Each piece of work by the name of its loop."""
        # Notices to webhooks are written with the change, those to people by the chain of ways.
        turns = {
            f"dispatch-{name}": Work(
                item.turn, (Bell.CHANGES if name == WEBHOOK else Bell.NOTICES, Bell.ENDED)
            )
            for name, item in self.dispatchers.items()
        }
        return {
            "reach": Work(self.reach.run_once, (Bell.CHANGES, Bell.NOTICES)),
            # Notes become due by the clock, and whoever writes one rings no bell.
            "duty-notes": Work(self.duty_notes.run_once, ()),
            "removed-channels": Work(self.removed.run_once, ()),
            **turns,
        }

    def settle(self) -> int:
        """Do all that is due now, and wait for it; returns how many attempts were made."""
        self.removed.run_once()
        self.reach.run_once()
        return self.duty_notes.run_once() + sum(
            dispatcher.run_once() for dispatcher in self.dispatchers.values()
        )

    def close(self) -> None:
        """Wait for the attempts under way and close every channel."""
        for dispatcher in self.dispatchers.values():
            dispatcher.close()
