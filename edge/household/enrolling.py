"""Learns one person from a picture that the centre holds for a moment, and says what came of it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection

import httpx
from pydantic import SecretStr

from config.errors import UserError
from config.household import (
    PICTURE_LIMIT_BYTES,
    PICTURE_PATH,
    Enrol,
    EnrolAnswer,
    EnrolCode,
)
from config.logs import get_logger
from edge.household.book import TemplateBook
from edge.household.examine import Faces, examine
from edge.household.recogniser import OpenIdentity
from models.images import decode_image

_LOG = get_logger(__name__)
_TIMEOUT_S = 15.0


class Enroller:
    """Serves one order at a time, in a thread of its own with networks of its own.

    The picture is in memory until the answer is known, and never anywhere else.

    Args:
        book: where templates are kept.
        cameras: those of this node that may recognise a household now.
        open_faces, open_identity: load the networks.
        centre_url, node, token: where the picture is, and who asks for it.
    """

    def __init__(
        self,
        *,
        book: TemplateBook,
        cameras: Callable[[], Collection[str]],
        open_faces: Callable[[], Faces],
        open_identity: OpenIdentity,
        centre_url: str,
        node: str,
        token: SecretStr,
    ) -> None:
        self._book, self._cameras = book, cameras
        self._open_faces, self._open_identity = open_faces, open_identity
        self._base = centre_url.rstrip("/") + PICTURE_PATH
        self._headers = {
            "Authorization": f"Bearer {token.get_secret_value()}",
            "X-Menshen-Node": node,
        }
        self._thread: threading.Thread | None = None

    def order(self, order: Enrol) -> None:
        """Serve an order soon; while another is served, it is answered with ``busy``."""
        if self._thread is not None and self._thread.is_alive():
            self._answer(order, "busy")
            return
        self._thread = threading.Thread(
            target=self._serve, args=(order,), name="household-enrol", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """Return when what is being served has been."""
        if self._thread is not None:
            self._thread.join(2 * _TIMEOUT_S)

    def learn(self, order: Enrol, picture: bytes) -> EnrolCode:
        """Keep the template of the one face in a picture file, or say why not."""
        if not set(order.cameras) <= set(self._cameras()):
            return "not_household"
        try:
            image = decode_image(picture, where="enrolment picture")
        except UserError:
            return "no_picture"
        try:
            faces, identity = self._open_faces(), self._open_identity()
        except UserError as error:
            _LOG.error("nobody can be enrolled", problem=str(error))
            return "no_model"
        try:
            code, landmarks = examine(faces, image)
            if landmarks is None:
                return code
            template = identity.vector(image, landmarks)
            if not self._book.learn(order, template, model=identity.model):
                return "not_stored"
        except OSError as error:
            _LOG.error("a template was not kept", problem=type(error).__name__)
            return "not_stored"
        finally:
            faces.close()
            identity.close()
        return "ok"

    def _serve(self, order: Enrol) -> None:
        try:
            picture = self._fetch(order)
        except httpx.HTTPError as error:
            _LOG.warning("enrolment picture not fetched", problem=type(error).__name__)
            return
        code: EnrolCode = "no_picture" if picture is None else self.learn(order, picture)
        _LOG.info("enrolment", member=order.member, code=code)
        self._answer(order, code)

    def _fetch(self, order: Enrol) -> bytes | None:
        """The picture; None when there is none under this ticket, or it is too large."""
        data = bytearray()
        with httpx.stream(
            "GET", self._base + order.ticket, headers=self._headers, timeout=_TIMEOUT_S
        ) as answer:
            if answer.status_code != 200:
                return None
            for piece in answer.iter_bytes():
                data += piece
                if len(data) > PICTURE_LIMIT_BYTES:
                    return None
        return bytes(data)

    def _answer(self, order: Enrol, code: EnrolCode) -> None:
        try:
            httpx.post(
                self._base + order.ticket,
                content=EnrolAnswer(code=code).model_dump_json(),
                headers={**self._headers, "Content-Type": "application/json"},
                timeout=_TIMEOUT_S,
            )
        except httpx.HTTPError as error:
            # The centre takes silence for a no, and its next list erases what was learnt.
            _LOG.warning("enrolment not answered", problem=type(error).__name__)
