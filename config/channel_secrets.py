"""Credentials of the channels: gateways of SMS and voice, the mail server, and Web Push."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, SecretStr, StringConstraints

from config.event import Frozen

Address = Annotated[str, StringConstraints(pattern=r"^[^@\s<>,;]+@[^@\s<>,;]+$", max_length=254)]


class GatewaySecret(Frozen):
    """What a gateway of the site file needs to be used."""

    key: SecretStr | None = None
    """Signs our requests, and proves its receipts."""
    secret: dict[str, SecretStr] = Field(default_factory=dict)
    """Values that the site file's ``{secret.NAME}`` stand for."""


class SmtpSecret(Frozen):
    """The mail server (RFC 5321) that takes our messages."""

    host: str
    port: Annotated[int, Field(ge=1, le=65535)] = 587
    security: Literal["starttls", "tls", "none"] = "starttls"
    """``none`` only for a server on this machine."""
    user: str | None = None
    password: SecretStr | None = None
    sender: Address
    ca_file: str | None = None
    """Certificates to trust, PEM; None: those of the system."""
    per_minute: Annotated[int, Field(ge=1, le=100_000)] = 60


class PushSecret(Frozen):
    """Our identity towards push services (VAPID, RFC 8292)."""

    private_key: SecretStr
    """P-256, 32 bytes as base64url: ``menshen alerts channels new-push-key`` makes one."""
    contact: Annotated[str, StringConstraints(pattern=r"^(mailto:|https://)")]
    """Where a push service can reach whoever runs this centre."""
    hosts: tuple[str, ...] = (
        "fcm.googleapis.com",
        "*.push.services.mozilla.com",
        "web.push.apple.com",
        "*.notify.windows.com",
    )
    """Push services that browsers may name; ``*.`` stands for any name before the rest."""
    ca_file: str | None = None
    """Certificates to trust, PEM; None: the usual ones."""
