"""Changes: the stream read once for everybody; who may see which is decided in memory."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from alerts.seeing import reading
from alerts.seeing.scope import Subject, in_scope
from alerts.seeing.views import StreamItem, TellLine, Viewer
from config.site import Site


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One change of one alert. Nothing of it may be shown but what :meth:`for_viewer` gives."""

    position: int
    _subject: Subject
    _row: reading.Row
    _open: StreamItem
    """With pictures and plates."""
    _closed: StreamItem
    """Without them; the same object where there is nothing to hide."""

    def for_viewer(self, viewer: Viewer) -> StreamItem | None:
        """The change as this person sees it; None when it is outside their scope.

        Those to whom it looks the same get the same object.
        """
        if not in_scope(viewer, self._subject):
            return None
        return self._open if reading.may_look(viewer, self._row) else self._closed

    def tells(self, person: str) -> bool:
        """True when that person has a delivery about this alert."""
        return person in self._subject.told


def read_changes(engine: Engine, site: Site, *, after: int, limit: int) -> list[Change]:
    """Changes above position ``after`` in order, at most ``limit``, for whoever may see them."""
    found = reading.changed_rows(engine, after, limit)
    rows = [row for row, _ in found]
    lines = reading.tell_lines(engine, site, {row["id"] for row in rows})
    names = reading.answerers(engine, site, rows)
    return [_change(site, row, asked, lines[row["id"]], names) for row, asked in found]


def _change(
    site: Site,
    row: reading.Row,
    asked: reading.Row,
    lines: list[TellLine],
    names: dict[str, str],
) -> Change:
    told = frozenset(line.person_id for line in lines if line.person_id is not None)
    position: int = row["position"]

    def item(*, may_look: bool) -> StreamItem:
        view = reading.view_of(site, row, tuple(lines), names, may_look=may_look)
        return StreamItem(position=position, alert=view)

    opened = item(may_look=True)
    closed = item(may_look=False) if reading.is_home(row) else opened
    return Change(position, Subject(told=told, **asked), row, opened, closed)
