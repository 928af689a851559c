"""The households of one node: who is enrolled, who a face is, and what the centre is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import SecretStr

from config.clock import Clock
from config.desired import unseal
from config.errors import UserError
from config.household import Enrol, HouseholdList, HouseholdReport
from config.logs import get_logger
from config.settings import Settings
from edge.household.book import TemplateBook
from edge.household.enrolling import Enroller
from edge.household.examine import Faces
from edge.household.recogniser import Recogniser
from edge.household.vault import Vault
from models.catalogue import Store
from models.identity import FaceIdentity
from models.loading import FACE_DETECTOR, Loader
from models.planes import Picture

_LOG = get_logger(__name__)
FILE = "household.bin"


class Link(Protocol):
    """Carries lists in and reports out (:class:`edge.household.link.HouseholdLink`)."""

    def start(self) -> None:
        """Listen."""

    def stop(self) -> None:
        """End."""


class Household:
    """Everything that has to do with who somebody is, in one place that a node can go without.

    Args:
        folder: the node's own; the templates are in ``household.bin`` there.
        node, token: its name and the token that it shares with the centre.
        settings: where models are, and how they run.
        centre_url: where pictures are fetched; None: nobody can be enrolled here.
        connect: makes the connection over which the centre says whom to forget.
    """

    def __init__(
        self,
        folder: Path,
        *,
        node: str,
        token: SecretStr,
        clock: Clock,
        settings: Settings,
        centre_url: str | None,
        connect: Callable[[Household], Link],
    ) -> None:
        self._connect = connect
        self._link: Link | None = None
        self._is_running = False
        self._lock = threading.Lock()
        self._node, self._token, self._clock = node, token, clock
        self._store = Store(settings.models_dir, settings.models_mirror)
        self._threads = settings.inference_threads
        self._book = TemplateBook(Vault(folder / FILE, node=node, token=token), clock)
        self._recogniser = Recogniser(self._book, self._open_identity)
        self._cameras: frozenset[str] = frozenset()
        self._told: HouseholdReport | None = None
        self._enroller: Enroller | None = None
        if centre_url is not None:
            self._enroller = Enroller(
                book=self._book,
                cameras=lambda: self._cameras,
                open_faces=self._open_faces,
                open_identity=self._open_identity,
                centre_url=centre_url,
                node=node,
                token=token,
            )

    def serve(self, cameras: Sequence[str]) -> None:
        """Recognise people at these cameras from now on, and at no other."""
        self._cameras = frozenset(cameras)
        self._listen()

    def start(self) -> None:
        """Listen to the centre as soon as there is a reason to."""
        self._is_running = True
        self._listen()

    def _listen(self) -> None:
        """Most nodes watch no home: they need no connection for this."""
        with self._lock:
            is_needed = bool(self._cameras) or bool(self._book.held())
            if self._is_running and is_needed and self._link is None:
                self._link = self._connect(self)
                self._link.start()

    def who(self, camera: str, picture: Picture, landmarks: NDArray[np.float32]) -> str | None:
        """The enrolled member that a face is (:meth:`Recogniser.who`), or None."""
        if camera not in self._cameras:
            return None
        return self._recogniser.who(camera, picture, landmarks)

    def enrol(self, order: Enrol) -> None:
        """Serve an order of the centre, in another thread."""
        if self._enroller is not None:
            self._enroller.order(order)

    def heed(self, payload: bytes, *, topic: str) -> None:
        """A list has come: erase whoever is not on it. One that is not valid changes nothing."""
        try:
            wanted = unseal(HouseholdList, payload, node=self._node, key=self._token, where=topic)
        except UserError as error:
            _LOG.error("household list refused", node=self._node, why=str(error))
            return
        self._book.heed(wanted)

    def news(self) -> HouseholdReport | None:
        """What the centre has not been told yet; call it now and then, it also ends consents."""
        self._book.expire()
        report = HouseholdReport(
            node=self._node,
            revision=self._book.revision,
            held=self._book.held(),
            problem=self._recogniser.problem[:500],
            at=self._clock.now(),
        )
        told = self._told
        if told is not None and report.model_copy(update={"at": told.at}) == told:
            return None
        if told is None and not report.held and report.revision == 0:
            return None  # Nobody has ever been enrolled here.
        return report

    def told(self, report: HouseholdReport) -> None:
        """The report has been handed to the broker."""
        self._told = report

    def tell_again(self) -> None:
        """Whoever was told may have forgotten."""
        self._told = None

    def close(self) -> None:
        """End the connection and free the networks; call it when no camera is watched any more."""
        with self._lock:
            self._is_running = False
            if self._link is not None:
                self._link.stop()
        if self._enroller is not None:
            self._enroller.stop()
        self._recogniser.close()

    def _open_identity(self) -> FaceIdentity:
        return FaceIdentity.open(self._store, policy="household", threads=self._threads)

    def _open_faces(self) -> Faces:
        return Loader(self._store, threads=self._threads).faces(FACE_DETECTOR)
