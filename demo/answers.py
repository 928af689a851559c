"""Answers alerts as the people who were told would, so that a run without people shows it all."""

from __future__ import annotations

from collections.abc import Mapping

from alerts.life.state import State
from config.clock import Clock
from demo.journal import Line
from demo.person import Person

PATIENCE_S = 2.0
"""How long a told person looks at an alert before answering."""


class Answers:
    """Acknowledges every alert but the first, which is left to escalate to the next step.

    Whoever was told last answers: the duty worker, or after the escalation the grid head.
    """

    def __init__(self, *, address: str, passwords: Mapping[str, str], clock: Clock) -> None:
        self._address = address
        self._passwords = passwords
        self._clock = clock
        self._people: dict[str, Person] = {}
        self._due: dict[str, tuple[float, str]] = {}
        self._left_alone: str | None = None
        self._has_climbed = False

    @property
    def awaits_escalation(self) -> bool:
        """True while the alert that was left alone has yet to climb."""
        return self._left_alone is not None and not self._has_climbed

    def notice(self, line: Line) -> None:
        """Take note of a line of the journal."""
        if line["line"] != "alert":
            return
        alert, told = line["alert_id"], line["told"]
        if alert == self._left_alone and not self._has_climbed:
            self._has_climbed = line["what"] == "escalated"
            if line["state"] != State.OPEN:  # over by itself, as a camera's trouble may be
                self._left_alone = None
        if line["what"] == "opened" and self._left_alone is None:
            self._left_alone = alert
        elif line["what"] in {"opened", "escalated", "reopened"} and told:
            self._due[alert] = (self._clock.monotonic() + PATIENCE_S, told[0])
        elif line["state"] != State.OPEN:
            self._due.pop(alert, None)

    def act(self, *, everything: bool = False) -> None:
        """Answer what is due, or with ``everything`` all that is known."""
        now = self._clock.monotonic()
        for alert, (due, person) in list(self._due.items()):
            if everything or due <= now:
                del self._due[alert]
                self._person(person).acknowledge(alert)

    def close(self) -> None:
        """Log everybody out."""
        for person in self._people.values():
            person.close()

    def _person(self, account: str) -> Person:
        if account not in self._people:
            self._people[account] = Person(
                address=self._address, account=account, password=self._passwords[account]
            )
        return self._people[account]
