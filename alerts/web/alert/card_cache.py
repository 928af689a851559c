"""Card cache: a card's text is rendered once for everybody to whom it looks the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from alerts.service import AlertView

if TYPE_CHECKING:
    from alerts.web.people.auth import Visitor

CARDS_KEPT = 1000
_PER_SESSION = "@of-this-session@"


class CardCache:
    """Cards as text, rendered once for everybody to whom they look the same.

    Only the form's token differs between sessions: it is filled into the finished text. A card
    is kept for the second in which it was rendered, as it shows times relative to now.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], str] = OrderedDict()
        self._lock = threading.Lock()

    def text(
        self,
        visitor: Visitor,
        alert: AlertView,
        *,
        now: datetime,
        render: Callable[[Visitor, AlertView], str],
    ) -> str:
        """What ``render`` gives for this visitor."""
        key = (
            int(now.timestamp()),
            visitor.person.role,
            alert.id,
            alert.position,
            alert.has_thumbnail,
            alert.plate is not None,
            tuple(line.state for line in alert.told),
        )
        with self._lock:
            text = self._kept.get(key)
        if text is None:
            session = replace(visitor.session, csrf_token=_PER_SESSION)
            text = render(replace(visitor, session=session), alert)
            with self._lock:
                self._kept[key] = text
                while len(self._kept) > CARDS_KEPT:
                    self._kept.popitem(last=False)
        return text.replace(_PER_SESSION, visitor.session.csrf_token)
