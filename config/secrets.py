"""Credentials of cameras and people, kept apart from the site file and never printed."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit, urlunsplit

from pydantic import Field, SecretStr, ValidationError

from config.channel_secrets import Address, GatewaySecret, PushSecret, SmtpSecret
from config.errors import UserError
from config.event import Frozen, Name
from config.web_secrets import WebSecrets

Filled = Annotated[SecretStr, Field(min_length=1)]
"""A secret that opens a door: an empty one would open it to whoever sends nothing."""
_PLACE = re.compile(r"(\[[0-9a-fA-F:.]*\]|[^:\[\]]*)(:[0-9]*)?")


class CameraSecret(Frozen):
    """How to log in at one camera."""

    user: str
    password: SecretStr


class PersonSecret(Frozen):
    """How a person logs in and is reached."""

    password: Filled | None = None
    phone: SecretStr | None = None
    """Digits, with a + and the country before them where the gateway wants it."""
    email: Address | None = Field(default=None, repr=False)


class BotSecret(Frozen):
    """A group bot behind the webhook of the same id; its token completes the address."""

    kind: Literal["wecom", "dingtalk", "feishu"]
    token: SecretStr
    sign_key: SecretStr | None = None


class Secrets(Frozen):
    """Everything in the secrets file; printing it shows stars."""

    cameras: dict[Name, CameraSecret] = Field(default_factory=dict)
    people: dict[Name, PersonSecret] = Field(default_factory=dict)
    webhooks: dict[Name, SecretStr] = Field(default_factory=dict)
    """Key of the HMAC signature per webhook."""
    channels: dict[Name, BotSecret] = Field(default_factory=dict)
    """Webhooks of the site that are group bots."""
    gateways: dict[Name, GatewaySecret] = Field(default_factory=dict)
    """Gateways of SMS and voice of the site file."""
    smtp: SmtpSecret | None = None
    push: PushSecret | None = None
    nodes: dict[Name, Filled] = Field(default_factory=dict)
    """Bearer token with which each edge node uploads its evidence."""
    web: WebSecrets = Field(default_factory=WebSecrets)

    def with_seal_key(self, key: SecretStr | None) -> Secrets:
        """The same with ``key`` (of the environment) where the file has no seal key."""
        if key is None or self.web.seal_key is not None:
            return self
        return self.model_copy(update={"web": self.web.model_copy(update={"seal_key": key})})

    def stream_url(self, camera: str, url: str) -> str:
        """``url`` with the camera's credentials filled in. Never log the result."""
        secret = self.cameras.get(camera)
        if secret is None:
            return url
        parts = urlsplit(url)
        login = (
            f"{quote(secret.user, safe='')}:{quote(secret.password.get_secret_value(), safe='')}"
        )
        return urlunsplit(parts._replace(netloc=f"{login}@{parts.netloc}"))


def holds_login(url: str) -> bool:
    """True when an address names a user or password, also one that a ``/`` in it cuts in two."""
    authority, _, rest = url.partition("://")[2].partition("/")
    return "@" in authority or ("@" in rest and _PLACE.fullmatch(authority) is None)


def load_secrets(path: Path | None) -> Secrets:
    """Read the secrets file; None gives empty secrets.

    Raises:
        UserError: the file cannot be read, is readable by others, or has a wrong key. No value
            of it is quoted.
    """
    if path is None:
        return Secrets()
    try:
        mode = path.stat().st_mode
        document: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        place = str(error).rsplit("(", 1)[-1].rstrip(")")
        raise UserError(
            where=str(path), problem=f"not valid TOML ({place})", remedy="mend the syntax there"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            where=str(path),
            problem=f"cannot be read ({type(error).__name__})",
            remedy="give the path of a secrets file, or leave the option away",
        ) from None
    if mode & 0o077:
        raise UserError(
            where=str(path),
            problem=f"others on this machine may read it (mode {mode & 0o777:o})",
            remedy=f"run: chmod 600 {path}",
        )
    try:
        return Secrets.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UserError(
            where=str(path),
            field=".".join(str(part) for part in first["loc"]),
            problem=str(first["msg"]),
            remedy="correct this key",
        ) from None
