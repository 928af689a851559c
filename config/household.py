"""Household faces on the wire: whom a node may recognise, a picture on its way, what it answers.

No message here holds a face or anything computed from one, but for the picture itself, which a
node fetches once from the centre's memory.
"""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, Field, StringConstraints, model_validator

from config.event import EventId, Frozen, Name
from config.node_document import NodeDocument

PICTURE_PATH = "/v1/household/"
"""Where a node fetches a picture (GET) and answers (POST); the order's ticket follows."""
PICTURE_LIMIT_BYTES = 4 * 1024 * 1024
MEMBERS_PER_HOME = 12
CONSENT_DAYS = 365
"""Consent that is not given anew ends by itself, at the centre and on the node."""

Revision = Annotated[int, Field(ge=0, le=2**53)]
Cameras = Annotated[tuple[Name, ...], Field(min_length=1, max_length=40)]
EnrolCode = Literal[
    "ok",
    "no_picture",
    "no_face",
    "many_faces",
    "too_small",
    "turned",
    "blurred",
    "bad_light",
    "not_household",
    "no_model",
    "not_stored",
    "busy",
]
"""What became of an order: learnt, or why not."""


class Enrol(Frozen):
    """Centre to node: fetch one picture, learn the one face in it for these cameras.

    ``revision`` is that of the first :class:`HouseholdList` that names the member: an older list
    that is still on its way must not erase them.
    """

    type: Literal["enrol"] = "enrol"
    ticket: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{32}$")]
    member: EventId
    cameras: Cameras
    expires_at: AwareDatetime
    revision: Revision


class EnrolAnswer(Frozen):
    """Node to centre: what became of an order."""

    code: EnrolCode


class HouseholdMember(Frozen):
    """Somebody who agreed to be recognised at these cameras until then."""

    id: EventId
    cameras: Cameras
    expires_at: AwareDatetime


class HouseholdList(NodeDocument):
    """Everybody whom a node may hold; whoever is not named is erased there."""

    revision: Revision
    members: tuple[HouseholdMember, ...] = Field(default=(), max_length=2000)

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        names = [member.id for member in self.members]
        if len(set(names)) < len(names):
            raise ValueError("a member is named twice")
        return self


class HouseholdReport(NodeDocument):
    """Whom a node holds now, and the newest list that it has heeded."""

    revision: Revision
    held: tuple[EventId, ...] = Field(default=(), max_length=2000)
    problem: Annotated[str, StringConstraints(max_length=500)] = ""
    """Why nobody is recognised, such as a missing model; empty when all is well."""
    at: AwareDatetime
