"""What the centre wants a node to run, and what the node says it runs: signed and numbered."""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, Literal, Self, TypeVar

from pydantic import (
    AwareDatetime,
    BaseModel,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)

from config.errors import UserError
from config.event import Frozen, Sha256
from config.node_document import NodeDocument
from config.site import Camera

LIMIT_BYTES = 1_000_000
Revision = Annotated[int, Field(ge=1, le=2**53)]


class DesiredConfig(NodeDocument):
    """Everything that a node needs to know of its cameras; credentials stay on the node."""

    revision: Revision
    issued_at: AwareDatetime
    cameras: tuple[Camera, ...] = Field(max_length=500)

    @model_validator(mode="after")
    def _cameras_belong_to_the_node(self) -> Self:
        names = [camera.id for camera in self.cameras]
        if len(set(names)) < len(names):
            raise ValueError("a camera is named twice")
        for camera in self.cameras:
            if camera.node != self.node:
                raise ValueError(f"camera {camera.id} is of node {camera.node}")
        return self


class Seen(NodeDocument):
    """The centre has read that the node tries ``revision``: proof that the node reaches it."""

    seen: Revision


class ReportedConfig(NodeDocument):
    """What a node does with what was wanted.

    ``running`` is the revision that its cameras run (0: what it was installed with), ``wanted``
    the one that this report is about.
    """

    running: Annotated[int, Field(ge=0, le=2**53)]
    wanted: Revision
    state: Literal["trying", "applied", "refused", "rolled_back"]
    problem: Annotated[str, StringConstraints(max_length=500)] = ""
    at: AwareDatetime


class _Claim(BaseModel):
    revision: Revision


class _Signed(Frozen):
    body: str
    signature: Sha256


class UnusableDocumentError(UserError):
    """A document that is signed rightly, and is not valid here; ``revision`` is what it says."""

    def __init__(self, *, where: str, field: str | None, problem: str, revision: int) -> None:
        super().__init__(
            where=where,
            field=field,
            problem=problem,
            remedy="correct it at the centre, and publish a new revision",
        )
        self.revision = revision


Body = TypeVar("Body", bound=NodeDocument)


def seal(document: NodeDocument, key: SecretStr) -> bytes:
    """The document as it travels, signed with HMAC-SHA-256 (RFC 2104) under the node's token.

    The signature covers the kind of document and the node's name too, so that nothing passes as
    another's or as another thing.
    """
    body = document.model_dump_json()
    signature = _signature(type(document).__name__, document.node, body, key)
    return _Signed(body=body, signature=signature).model_dump_json().encode()


def unseal(kind: type[Body], payload: bytes, *, node: str, key: SecretStr, where: str) -> Body:
    """Check the signature, then the document.

    Raises:
        UserError: too large, or not signed with this key for this node.
        UnusableDocumentError: signed rightly and not valid, as one of a newer centre may be; it
            names the first wrong field and no value.
    """
    if len(payload) > LIMIT_BYTES:
        raise _refusal(where, f"is larger than {LIMIT_BYTES} bytes", "split the node's cameras")
    try:
        signed = _Signed.model_validate_json(payload)
    except ValidationError:
        raise _refusal(where, "is not a signed document", "publish it from the centre") from None
    expected = _signature(kind.__name__, node, signed.body, key)
    if not hmac.compare_digest(expected, signed.signature):
        raise _refusal(
            where,
            "is not signed with this node's token",
            "give node and centre the same token under [nodes] of the secrets file",
        )
    try:
        document = kind.model_validate_json(signed.body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        raise UnusableDocumentError(
            where=where,
            field="/".join(str(part) for part in first["loc"]) or None,
            problem=str(first["msg"]),
            revision=_revision_in(signed.body),
        ) from None
    if document.node != node:
        raise _refusal(where, f"is for node {document.node}", "publish it on that node's topic")
    return document


def _revision_in(body: str) -> int:
    """The revision that an invalid document claims; 0 when it claims none."""
    try:
        return _Claim.model_validate_json(body).revision
    except ValidationError:
        return 0


def _signature(kind: str, node: str, body: str, key: SecretStr) -> str:
    text = "\0".join(("menshen-config-v1", kind, node, body)).encode()
    return hmac.new(key.get_secret_value().encode(), text, hashlib.sha256).hexdigest()


def _refusal(where: str, problem: str, remedy: str) -> UserError:
    return UserError(where=where, problem=problem, remedy=remedy)
