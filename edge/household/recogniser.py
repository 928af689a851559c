"""Says which enrolled person of its own home a face is; of anybody else nothing is left."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from config.errors import UserError
from config.logs import get_logger
from edge.household.book import TemplateBook
from models.identity import LEAST_EYES_PX, SAME_PERSON, eyes_px
from models.planes import Picture

_LOG = get_logger(__name__)


class Identity(Protocol):
    """Makes vectors of faces (:class:`models.identity.FaceIdentity`)."""

    @property
    def model(self) -> str:
        """The network's name: only vectors of one network compare."""

    def vector(self, picture: Picture, landmarks: NDArray[np.float32]) -> NDArray[np.float32]:
        """float32 (d,) of length one."""

    def close(self) -> None:
        """Free the network."""


OpenIdentity = Callable[[], Identity]
"""Loads the network; raises :class:`UserError` with the remedy when it is not here."""


class Recogniser:
    """Compares faces with the templates of one camera's home. For one thread at a time.

    The network is loaded when the first person is enrolled, and freed with the last.

    Args:
        book: who is enrolled.
        open_identity: loads the network.
    """

    def __init__(self, book: TemplateBook, open_identity: OpenIdentity) -> None:
        self._book, self._open = book, open_identity
        self._identity: Identity | None = None
        self.problem = ""
        """Why nobody is recognised, in words with the remedy; empty when all is well."""

    def who(self, camera: str, picture: Picture, landmarks: NDArray[np.float32]) -> str | None:
        """The member that the face at ``landmarks`` (5, 2) is, or None.

        The vector of a face exists only inside this call: it is compared and given up, whoever
        it was.
        """
        self._book.expire()
        if not self._book.held():
            self._rest()
            return None
        if eyes_px(landmarks) < LEAST_EYES_PX:
            return None
        identity = self._ready()
        if identity is None:
            return None
        members, templates = self._book.templates(camera, identity.model)
        if not members:
            return None
        try:
            alike = templates @ identity.vector(picture, landmarks)
        except ValueError:
            return None  # Landmarks at the border that span no face.
        best = int(alike.argmax())
        return members[best] if alike[best] >= SAME_PERSON else None

    def close(self) -> None:
        """Free the network."""
        self._rest()

    def _ready(self) -> Identity | None:
        if self._identity is None and not self.problem:
            try:
                self._identity = self._open()
            except UserError as error:
                self.problem = str(error)
                _LOG.error("nobody of a household is recognised", problem=self.problem)
        return self._identity

    def _rest(self) -> None:
        if self._identity is not None:
            self._identity.close()
            self._identity = None
