"""The event: what one camera saw of one object, as it travels from the edge to the centre."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)

from config.ids import NAME_PATTERN, UUID7_PATTERN

THUMBNAIL_LIMIT_BYTES = 20_000
EVIDENCE_LIMIT_BYTES = 20_000_000
"""The largest picture or clip that the centre takes, so the largest that a node makes."""
"""A picture larger than this goes by HTTP, never through MQTT."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
EventId = Annotated[str, StringConstraints(pattern=UUID7_PATTERN)]
Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
Share = Annotated[float, Field(ge=0.0, le=1.0)]
Box = tuple[Share, Share, Share, Share]
"""left, top, width, height as shares of the picture's width and height."""


class Frozen(BaseModel):
    """Base of everything that travels: immutable, and an unknown key is an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", ser_json_bytes="base64", val_json_bytes="base64"
    )


class EventKind(StrEnum):
    """What was seen. One event is one object on one visit, not one frame."""

    PLATE = "plate"
    FACE = "face"
    MOTION = "motion"
    LINE = "line"
    ZONE = "zone"
    LOITER = "loiter"
    HEALTH = "health"
    SHED = "shed"


class Severity(StrEnum):
    """How loud an event or alert is; ordered by :attr:`rank`."""

    INFO = "info"
    NOTICE = "notice"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def rank(self) -> int:
        """0 (info) to 3 (critical)."""
        return _RANKS[self]


_RANKS = {severity: rank for rank, severity in enumerate(Severity)}


class Character(Frozen):
    """One character of a plate read: the character, or ``?``, and its probability."""

    text: Annotated[str, StringConstraints(min_length=1, max_length=1)]
    probability: Share


class PlateReading(Frozen):
    """The fused reading of one plate over one track.

    ``text`` is the normalised answer, ``raw`` what the network read before the grammar of
    GA 36-2018 was weighed in, ``confidence`` the probability of the weakest character.
    """

    text: Annotated[str, StringConstraints(max_length=16)]
    raw: Annotated[str, StringConstraints(max_length=16)]
    confidence: Share
    characters: tuple[Character, ...] = Field(max_length=16)
    colour: Annotated[str, StringConstraints(max_length=32)]
    plate_kind: Annotated[str, StringConstraints(max_length=32)]
    rows: Literal[1, 2] = 1
    reads: Annotated[int, Field(ge=1)] = 1
    """How many single reads were fused."""


class FaceShot(Frozen):
    """That a face was seen, and how well. Never who, but for a home's own people; no embedding."""

    quality: Share
    height_px: Annotated[int, Field(ge=1)]
    member: EventId | None = None
    """At a home's own camera, somebody whom that home enrolled with consent (their id there)."""


class HealthReport(Frozen):
    """A condition of a camera or node that someone must put right, or its end.

    The last five are found by the centre: a hole in a roster, an open alert of which nobody
    will hear again, work that is overdue, a node that it does not hear of any more, and an area
    most of whose nodes were lost at once.
    """

    condition: Literal[
        "offline",
        "frozen",
        "black",
        "blurred",
        "covered",
        "moved",
        "low_frame_rate",
        "wrong_resolution",
        "clock_skew",
        "disk_full",
        "queue_depth",
        "temperature",
        "wrong_credentials",
        "outbox_damaged",
        "nobody_on_duty",
        "no_next_step",
        "work_stuck",
        "audit_broken",
        "node_silent",
        "power_cut",
    ]
    active: bool
    detail: Annotated[str, StringConstraints(max_length=500)] = ""


class ShedReport(Frozen):
    """Events dropped because the outbox was full: the count is exact, the loss is told."""

    count: Annotated[int, Field(ge=1)]
    first_seq: Annotated[int, Field(ge=1)]
    last_seq: Annotated[int, Field(ge=1)]
    kinds: dict[EventKind, int]


class EvidenceRef(Frozen):
    """A file that belongs to an event, addressed by its content."""

    sha256: Sha256
    media_type: Literal["image/jpeg", "video/mp4"]
    size_bytes: Annotated[int, Field(ge=1)]
    role: Literal["crop", "scene", "clip"]


class Event(Frozen):
    """One object on one visit to one camera, or a change of it.

    ``id`` is unique per message. ``visit`` is shared by the revisions of one visit, and
    ``revision`` counts them from 0, so a later revision replaces an earlier one on a page
    while each is still stored exactly once.
    """

    id: EventId
    visit: EventId
    revision: Annotated[int, Field(ge=0)] = 0
    node: Name
    camera: Name
    kind: EventKind
    severity: Severity = Severity.INFO
    started_at: AwareDatetime
    ended_at: AwareDatetime | None = None
    captured_at: AwareDatetime
    """Time of the best shot, from the stream's own clock tied to arrival, in UTC."""
    box: Box | None = None
    path: tuple[tuple[Share, Share], ...] = Field(default=(), max_length=64)
    """Centres of the object over the visit, thinned to at most 64 points."""
    zone: Name | None = None
    plate: PlateReading | None = None
    face: FaceShot | None = None
    health: HealthReport | None = None
    shed: ShedReport | None = None
    evidence: tuple[EvidenceRef, ...] = Field(default=(), max_length=8)
    thumbnail: bytes | None = Field(default=None, max_length=THUMBNAIL_LIMIT_BYTES)
    """JPEG for lists, at most 20 kB, privacy masks already burnt in."""

    @model_validator(mode="after")
    def _one_body_of_the_right_kind(self) -> Self:
        bodies = {
            EventKind.PLATE: self.plate,
            EventKind.FACE: self.face,
            EventKind.HEALTH: self.health,
            EventKind.SHED: self.shed,
        }
        for kind, body in bodies.items():
            if kind is self.kind and body is None:
                raise ValueError(f"a {kind} event needs its '{kind}' body")
            if kind is not self.kind and body is not None:
                raise ValueError(f"a {self.kind} event must not carry a '{kind}' body")
        if self.ended_at is not None and self.ended_at < self.started_at:
            raise ValueError("ended_at is before started_at")
        return self

    def subject(self) -> str:
        """What is the same thing for de-duplication: the plate text, or the visit itself."""
        if self.plate is not None and "?" not in self.plate.text:
            return self.plate.text
        if self.health is not None:
            return self.health.condition
        return self.visit
