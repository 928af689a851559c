"""What the web pages may ask of alerts: see, stream, answer, explain, each within a scope."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Engine

from alerts.deciding.explain import Explanation, explain_event
from alerts.hub import Hub
from alerts.life.state import (
    Acknowledge,
    Arrive,
    Command,
    Confirm,
    Department,
    DepartmentReport,
    Outcome,
    Refused,
    Reject,
    Reopen,
    Report,
    State,
    Summon,
    Verify,
    Whistle,
)
from alerts.seeing import reading
from alerts.seeing.changes import Change, read_changes
from alerts.seeing.reading import Row
from alerts.seeing.views import AlertView, StreamItem, TellLine, Viewer
from alerts.store.applying import AlertStore, Listener
from alerts.telling.receipts import mark_delivered
from config.clock import Clock, local_text
from config.errors import UserError
from config.site import Site

__all__ = [
    "AlertConflict",
    "AlertNotVisible",
    "AlertService",
    "AlertView",
    "Change",
    "Explanation",
    "StreamItem",
    "TellLine",
    "Viewer",
]


class AlertConflict(UserError):  # noqa: N818 - the name of the web's contract
    """Somebody else was first; ``view`` is the alert as it is now.

    ``first_by`` and ``first_at`` name who answered and when, where somebody did.
    """

    def __init__(self, *, view: AlertView, problem: str) -> None:
        self.view = view
        self.first_by = view.acked_by_name
        self.first_at = view.acked_at
        super().__init__(
            where=f"alert {view.id}", problem=problem, remedy="look at the alert as it is now"
        )


class AlertNotVisible(UserError):  # noqa: N818 - the name of the web's contract
    """There is no such alert, or this person may not see it; which of the two is not told."""

    def __init__(self, alert_id: str) -> None:
        super().__init__(
            where=f"alert {alert_id}",
            problem="does not exist, or is not yours to see",
            remedy="open it from your own list",
        )


class AlertService:
    """The façade of alerts; every method is safe to call from several threads.

    Args:
        engine: a migrated database (``ingest.engine.open_engine``, ``ingest.migrate.upgrade``).
        site: who and what there is.
        clock: the only source of time.
        hub: wakes waiters in this process; None makes :meth:`wait` look every half second.
        listener: is called with what a person's answer has changed, after the commit.
    """

    def __init__(
        self,
        engine: Engine,
        site: Site,
        clock: Clock,
        *,
        hub: Hub | None = None,
        listener: Listener | None = None,
    ) -> None:
        self._engine = engine
        self._site = site
        self._clock = clock
        self._hub = hub or Hub()
        self._store = AlertStore(engine, site, clock, hub=self._hub, listener=listener)

    def open_alerts(self, viewer: Viewer, limit: int = 200) -> list[AlertView]:
        """Alerts that still need somebody: loudest first, then newest; at most ``limit``."""
        return self._views(viewer, reading.live_rows(self._engine, viewer, limit))

    def recent(self, viewer: Viewer, limit: int = 200) -> list[AlertView]:
        """The latest alerts of any state, newest first; at most ``limit``."""
        return self._views(viewer, reading.recent_rows(self._engine, viewer, limit))

    def get(self, viewer: Viewer, alert_id: str) -> AlertView:
        """One alert.

        Raises:
            AlertNotVisible: it does not exist or is outside the viewer's scope.
        """
        row = reading.one_row(self._engine, viewer, alert_id)
        if row is None:
            raise AlertNotVisible(alert_id)
        return self._views(viewer, [row])[0]

    def acknowledge(self, viewer: Viewer, alert_id: str, *, version: int | None) -> AlertView:
        """Take an alert. A second tap of the same person changes nothing and succeeds.

        ``version`` is the one on the viewer's page; evidence that joined or a step that was
        taken since then does not stand in the way of an answer, another person's answer does.

        Raises:
            AlertConflict: somebody else answered first (named), or the alert is closed, or
                ``version`` is newer than the alert.
            AlertNotVisible: see :meth:`get`.
        """
        view = self.get(viewer, alert_id)
        if version is not None and version > view.version:
            raise AlertConflict(view=view, problem=f"has no version {version} yet")
        return self._act(viewer, alert_id, Acknowledge(by=viewer.person_id))

    def arrive(self, viewer: Viewer, alert_id: str) -> AlertView:
        """Say that the viewer is on the spot (errors as :meth:`acknowledge`)."""
        return self._act(viewer, alert_id, Arrive(by=viewer.person_id))

    def report(self, viewer: Viewer, alert_id: str, *, note: str = "") -> AlertView:
        """Say what was found (errors as :meth:`acknowledge`)."""
        return self._act(viewer, alert_id, Report(by=viewer.person_id, note=note))

    def close(self, viewer: Viewer, alert_id: str, *, outcome: Outcome) -> AlertView:
        """Verify a reported alert and close it (errors as :meth:`acknowledge`)."""
        return self._act(viewer, alert_id, Verify(by=viewer.person_id, outcome=outcome))

    def reopen(self, viewer: Viewer, alert_id: str) -> AlertView:
        """Take up an alert closed at most 24 hours ago (errors as :meth:`acknowledge`)."""
        return self._act(viewer, alert_id, Reopen(by=viewer.person_id))

    def confirm(self, viewer: Viewer, alert_id: str, *, is_match: bool) -> AlertView:
        """Decide a possible match under review (errors as :meth:`acknowledge`)."""
        who = viewer.person_id
        return self._act(viewer, alert_id, Confirm(by=who) if is_match else Reject(by=who))

    def whistle(
        self, viewer: Viewer, alert_id: str, *, departments: Sequence[tuple[str, datetime]]
    ) -> AlertView:
        """Call departments (name, deadline in UTC) to report in (errors as above)."""
        called = tuple(Department(name, deadline) for name, deadline in departments)
        return self._act(viewer, alert_id, Whistle(by=viewer.person_id, departments=called))

    def department_report(self, viewer: Viewer, alert_id: str, *, department: str) -> AlertView:
        """A called department reports in (errors as above)."""
        command = DepartmentReport(department=department, by=viewer.person_id)
        return self._act(viewer, alert_id, command)

    def summon(self, viewer: Viewer, alert_id: str, *, step: int) -> AlertView:
        """Call those on rung ``step`` of the ladder now (errors as :meth:`acknowledge`)."""
        return self._act(viewer, alert_id, Summon(by=viewer.person_id, step=step))

    def stream(self, viewer: Viewer, *, after: int, limit: int = 200) -> list[StreamItem]:
        """Changes above position ``after`` that the viewer may see, in order.

        Handing an item to its person marks that person's in-app deliveries as delivered. When
        the list is empty, go on from :meth:`position` as it was *before* this call.
        """
        rows = reading.stream_rows(self._engine, viewer, after, limit)
        views = self._views(viewer, rows)
        if views:
            self.mark_delivered({viewer.person_id: {view.id for view in views}})
        return [StreamItem(position=view.position, alert=view) for view in views]

    def changes(self, *, after: int, limit: int = 200) -> list[Change]:
        """Changes above position ``after`` in order, read once for everybody.

        Each gives a viewer what :meth:`stream` would; after showing one to somebody it tells,
        call :meth:`mark_delivered`.
        """
        return read_changes(self._engine, self._site, after=after, limit=limit)

    def mark_delivered(self, shown: Mapping[str, Collection[str]]) -> None:
        """Pages have received alerts (person id → alert ids): their in-app notices arrived."""
        mark_delivered(self._engine, self._clock, shown)

    def position(self) -> int:
        """The highest stream position that is committed; 0 before the first."""
        return reading.position(self._engine)

    def wait(self, after: int, timeout_s: float) -> bool:
        """Block until a position above ``after`` exists (True) or ``timeout_s`` pass (False)."""
        return self._hub.wait(lambda: self.position() > after, timeout_s)

    def thumbnail(self, viewer: Viewer, alert_id: str) -> bytes | None:
        """The JPEG of the alert's best known sighting; None when there is none to show.

        Raises:
            AlertNotVisible: see :meth:`get`.
        """
        view = self.get(viewer, alert_id)
        return reading.thumbnail(self._engine, alert_id) if view.has_thumbnail else None

    def explain(self, event_id: str) -> Explanation:
        """The path of an event: rule, alert, who was told, and why others were not.

        Raises:
            UserError: the centre has not stored such an event.
        """
        return explain_event(self._engine, self._site, event_id)

    def _views(self, viewer: Viewer, rows: Sequence[Row]) -> list[AlertView]:
        return reading.build_views(self._engine, self._site, viewer, rows)

    def _act(self, viewer: Viewer, alert_id: str, command: Command) -> AlertView:
        self.get(viewer, alert_id)
        try:
            self._store.apply(alert_id, command)
        except Refused as refusal:
            view = self.get(viewer, alert_id)
            raise AlertConflict(view=view, problem=_why(refusal, view)) from None
        return self.get(viewer, alert_id)


def _why(refusal: Refused, view: AlertView) -> str:
    if view.state is not State.CLOSED and view.acked_by_name and view.acked_at is not None:
        return f"{view.acked_by_name} answered first, at {local_text(view.acked_at)}"
    return str(refusal)
