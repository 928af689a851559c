"""What centre and node tell each other as one signed document: the fields that all share."""

from __future__ import annotations

from typing import Literal

from config.event import Frozen, Name


class NodeDocument(Frozen):
    """A document of one node, from it or for it (:func:`config.desired.seal` signs it)."""

    v: Literal[1] = 1
    node: Name
