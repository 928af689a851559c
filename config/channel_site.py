"""The part of a site file that says by which ways people are told, and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from config.event import Frozen, Name, Severity

GatewayId = Annotated[Name, StringConstraints(max_length=16)]
WEBPUSH = "webpush"
EMAIL = "email"
OWN_CHANNELS = frozenset({"inapp", "webhook", WEBPUSH, EMAIL})
"""Names that no gateway may take."""
Path = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{1,100}$")]
"""Where in a JSON answer something stands, keys joined by full stops: ``data.id``."""


class Answer(Frozen):
    """How a gateway says in the body of a 2xx answer what it really did."""

    field: Path
    accepted: tuple[str, ...] = Field(min_length=1)
    """Values, as text, that mean: taken."""
    busy: tuple[str, ...] = ()
    """Values that mean: later. Any other value means: never."""


class Receipts(Frozen):
    """How a gateway calls back to say what became of a message.

    It posts JSON, or a form, to ``/api/v1/receipts/<gateway id>``: one object, or a list.
    """

    reference: Path = "reference"
    """Where our ``{reference}`` stands, or the gateway's own id (see ``Gateway.id_field``)."""
    status: Path = "status"
    delivered: tuple[str, ...] = ("DELIVRD", "delivered")
    read: tuple[str, ...] = ("read", "answered")
    failed: tuple[str, ...] = ("UNDELIV", "EXPIRED", "REJECTD", "failed")


class Gateway(Frozen):
    """A provider of SMS or voice calls with an HTTP interface, and the request it wants.

    ``headers`` and ``body`` may hold ``{phone}``, ``{text}``, ``{link}``, ``{reference}`` (the
    same at every attempt), ``{time}`` (Unix seconds) and ``{secret.NAME}`` from the secrets
    file. With a ``key`` there, each request is signed as webhooks are.
    """

    id: GatewayId
    kind: Literal["sms", "voice"]
    url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    encoding: Literal["json", "form"] = "json"
    headers: dict[str, str] = Field(default_factory=dict)
    body: dict[str, Any] = Field(
        default_factory=lambda: {"to": "{phone}", "text": "{text}", "reference": "{reference}"}
    )
    answer: Answer | None = None
    """None: any 2xx answer means taken."""
    id_field: Path | None = None
    receipts: Receipts = Receipts()
    per_minute: Annotated[int, Field(ge=1, le=100_000)] = 60
    from_severity: Severity = Severity.INFO
    """Quieter alerts do not go this way."""

    @model_validator(mode="after")
    def _id_is_free(self) -> Self:
        if self.id in OWN_CHANNELS:
            raise ValueError(f"{self.id!r} is the name of a channel of ours; choose another id")
        return self


class Telling(Frozen):
    """In which order a person is told outside the pages, and when the next way's turn comes."""

    order: tuple[str, ...] = ()
    """``webpush``, ``email`` and ids of gateways. Empty: push, then gateways as written, then
    e-mail."""
    fall_over_s: Annotated[int, Field(ge=5, le=300)] = 30
    """Without a receipt for so long, the next way is used too."""
    answer_links: bool = True
    """Messages to one person carry a link that answers once, within two hours, without a login.
    False: every link leads to the login."""


def ways_in_order(telling: Telling, gateways: Sequence[Gateway]) -> tuple[str, ...]:
    """The ways of a person who has no order of their own."""
    return telling.order or (WEBPUSH, *(gateway.id for gateway in gateways), EMAIL)


def check_telling(
    telling: Telling, gateways: Sequence[Gateway], person: str, own: tuple[str, ...] | None
) -> None:
    """Check the site's order and a person's ``own``.

    Raises:
        ValueError: one names a way that does not exist, or one twice.
    """
    known = {WEBPUSH, EMAIL, *(gateway.id for gateway in gateways)}
    for place, order in (("telling: order", telling.order), (f"person {person}: tell", own or ())):
        for name in order:
            if name not in known:
                raise ValueError(f"{place}: there is no {name!r}")
            if order.count(name) > 1:
                raise ValueError(f"{place}: {name!r} stands twice")
