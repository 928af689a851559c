"""Card cache: what a stream carries is rendered once for everybody to whom it looks the same."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from alerts.seeing.service import StreamItem

TEXTS_KEPT = 1000
PER_SESSION = "@of-this-session@"
"""Stands in a kept text where each session's own token belongs."""

Render = Callable[[StreamItem], str]


class CardCache:
    """Messages of streams as text, with :data:`PER_SESSION` for the form's token.

    That is all that differs between two sessions to which an item looks the same; a token has
    only letters, digits, "-" and "_", so the text around it may be HTML or JSON. A text is kept
    for the second in which it was rendered, as it shows times relative to now. Items count as
    the same when they are the same object: the broadcaster hands one object to many. Only the
    event loop may use it.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[Any, ...], tuple[object, str]] = OrderedDict()

    def block(
        self, items: Sequence[StreamItem], *, looks: object, now: datetime, render: Render
    ) -> str:
        """The messages of ``items``, one after the other, as ``render`` gives each.

        ``looks`` is whatever else ``render`` depends on.
        """
        second = int(now.timestamp())
        if len(items) == 1:
            return self._one(items[0], second, looks, render)
        key = (second, looks, *map(id, items))
        if (found := self._kept.get(key)) is not None:
            return found[1]
        text = "".join(self._one(item, second, looks, render) for item in items)
        return self._keep(key, items, text)

    def _one(self, item: StreamItem, second: int, looks: object, render: Render) -> str:
        key = (second, looks, id(item))
        if (found := self._kept.get(key)) is not None:
            return found[1]
        return self._keep(key, item, render(item))

    def _keep(self, key: tuple[Any, ...], owner: object, text: str) -> str:
        # The items are kept too: while they live, no other object can have their ids.
        self._kept[key] = (owner, text)
        while len(self._kept) > TEXTS_KEPT:
            self._kept.popitem(last=False)
        return text
