"""Card cache: a card's message is rendered once for everybody to whom it looks the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING

from alerts.service import AlertView

if TYPE_CHECKING:
    from alerts.web.alert.cards import Looks

CARDS_KEPT = 1000
_PER_SESSION = "@of-this-session@"


class CardCache:
    """Cards as text, rendered once for everybody to whom they look the same.

    Only the form's token differs between sessions: it is filled into the finished text, which
    may be HTML or JSON around it, as a token has only letters, digits, "-" and "_". A card
    is kept for the second in which it was rendered, as it shows times relative to now. Only
    the event loop may use it.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[object, ...], str] = OrderedDict()

    def text(
        self,
        looks: Looks,
        alert: AlertView,
        *,
        csrf_token: str,
        now: datetime,
        render: Callable[[Looks, AlertView, str], str],
    ) -> str:
        """What ``render`` gives for these looks and this token."""
        key = (
            int(now.timestamp()),
            looks,
            alert.id,
            alert.position,
            alert.has_thumbnail,
            alert.plate is not None,
            tuple(line.state for line in alert.told),
        )
        text = self._kept.get(key)
        if text is None:
            text = self._kept[key] = render(looks, alert, _PER_SESSION)
            while len(self._kept) > CARDS_KEPT:
                self._kept.popitem(last=False)
        return text.replace(_PER_SESSION, csrf_token)
