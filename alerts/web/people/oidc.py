"""OpenID Connect: asks the county's identity provider who somebody is, and believes no other."""

from __future__ import annotations

import hmac
import secrets as random_source
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx2
from authlib.integrations.base_client import OAuthError
from authlib.integrations.httpx_client import OAuth2Client
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from pydantic import SecretStr

from config.clock import Clock
from config.errors import UserError
from config.logs import get_logger
from config.oidc_site import Oidc
from config.secrets import Secrets
from config.site import Site

TIMEOUT_S = 5.0
KEPT_S = 600.0
"""How long the provider's metadata and keys are believed without asking again."""
AWAY_S = 10.0
"""A provider that did not answer is not asked again for so long: whoever waits for it holds one of
the few threads that all pages share, alerts' answers too."""
LEEWAY_S = 60
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA")
"""Signatures of a key pair only: never ``none``, nor HMAC keyed with what others know."""
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")

_log = get_logger(__name__)


class ProviderAwayError(Exception):
    """The provider does not answer, or not as OpenID Connect Discovery 1.0 says."""


class NotVouchedError(Exception):
    """The answer does not prove who came; the reason is for the log, not for the browser."""


@dataclass(frozen=True, slots=True)
class Pending:
    """A login that was sent to the provider; kept in the browser's own signed cookie."""

    state: str
    nonce: str
    verifier: str
    target: str


@dataclass(frozen=True, slots=True)
class _Provider:
    metadata: Mapping[str, Any]
    keys: KeySet
    read_at: float


class OidcClient:
    """The authorization code flow with PKCE (OpenID Connect Core 1.0, 3.1; RFC 7636).

    Args:
        settings: of the site file.
        secret: the client's, for ``client_secret_basic``.
        clock: the only source of time.
    """

    def __init__(self, settings: Oidc, secret: SecretStr, clock: Clock) -> None:
        self.settings = settings
        self._secret = secret
        self._clock = clock
        self._lock = threading.Lock()
        self._provider: _Provider | None = None
        self._away_at = -AWAY_S

    def begin(self, *, redirect_uri: str, target: str) -> tuple[str, Pending]:
        """Where to send the browser, and what to remember of it.

        Raises:
            ProviderAwayError: see there.
        """
        pending = Pending(
            state=random_source.token_urlsafe(24),
            nonce=random_source.token_urlsafe(24),
            verifier=random_source.token_urlsafe(48),
            target=target,
        )
        metadata = self._ask().metadata
        with self._client(redirect_uri) as client:
            address, _ = client.create_authorization_url(
                metadata["authorization_endpoint"],
                state=pending.state,
                nonce=pending.nonce,
                code_verifier=pending.verifier,
            )
        return str(address), pending

    def finish(self, pending: Pending, answer: Mapping[str, str], *, redirect_uri: str) -> str:
        """The value of the claim that says who came.

        Args:
            pending: what this browser was sent away with.
            answer: query of the address that it came back to.
            redirect_uri: that address without its query.

        Raises:
            NotVouchedError: somebody else's answer, or one that proves nothing.
            ProviderAwayError: see there.
        """
        if not hmac.compare_digest(pending.state.encode(), answer.get("state", "").encode()):
            raise NotVouchedError("the state is not this browser's")
        provider = self._ask()
        self._check_issuer(provider, answer)
        if "error" in answer or not answer.get("code"):
            raise NotVouchedError("the provider let nobody in")
        token = self._redeem(provider, answer["code"], pending, redirect_uri)
        claims = self._claims(token, pending.nonce)
        value = claims.get(self.settings.claim)
        if not isinstance(value, str) or not value:
            raise NotVouchedError(f"the ID token has no claim {self.settings.claim}")
        return value

    def _check_issuer(self, provider: _Provider, answer: Mapping[str, str]) -> None:
        """RFC 9207: an answer of another provider must not reach our token endpoint."""
        given = answer.get("iss")
        promised = provider.metadata.get("authorization_response_iss_parameter_supported") is True
        if (given is None and promised) or (given is not None and given != self.settings.issuer):
            raise NotVouchedError("the answer is of another issuer")

    def _redeem(self, provider: _Provider, code: str, pending: Pending, redirect_uri: str) -> str:
        try:
            with self._client(redirect_uri) as client:
                answer = client.fetch_token(
                    provider.metadata["token_endpoint"],
                    grant_type="authorization_code",
                    code=code,
                    code_verifier=pending.verifier,
                )
        except OAuthError as error:
            raise NotVouchedError(f"the code was refused ({error.error})") from None
        except httpx2.HTTPError as error:
            raise ProviderAwayError(type(error).__name__) from None
        except ValueError:
            raise ProviderAwayError("the token endpoint does not speak JSON") from None
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise NotVouchedError("there is no ID token")
        return token

    def _claims(self, token: str, nonce: str) -> Mapping[str, Any]:
        """Claims of a token that is signed, ours, of this login and of now (Core, 3.1.3.7)."""
        try:
            try:
                found = jwt.decode(token, self._ask().keys, algorithms=list(ALGORITHMS))
            except (InvalidKeyIdError, ValueError):
                # A key that is not known yet: the provider may have changed its keys.
                found = jwt.decode(token, self._ask(anew=True).keys, algorithms=list(ALGORITHMS))
            rules = jwt.JWTClaimsRegistry(
                now=lambda: int(self._clock.now().timestamp()),
                leeway=LEEWAY_S,
                iss={"essential": True, "value": self.settings.issuer},
                aud={"essential": True, "value": self.settings.client_id},
                exp={"essential": True},
                iat={"essential": True},
                nonce={"essential": True, "value": nonce},
            )
            rules.validate(found.claims)
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise NotVouchedError(f"ID token: {type(error).__name__}") from None
        claims: Mapping[str, Any] = found.claims
        audience = claims["aud"]
        is_shared = isinstance(audience, list) and len(audience) > 1
        if claims.get("azp", None if is_shared else self.settings.client_id) != (
            self.settings.client_id
        ):
            raise NotVouchedError("the ID token was made for another client")
        return claims

    def _ask(self, *, anew: bool = False) -> _Provider:
        """The provider's metadata and keys (OpenID Connect Discovery 1.0, section 4)."""
        with self._lock:
            now = self._clock.now().timestamp()
            known = self._provider
            if known is not None and not anew and now - known.read_at < KEPT_S:
                return known
            if 0 <= now - self._away_at < AWAY_S:
                raise ProviderAwayError("it did not answer just now")
            try:
                self._provider = self._read(now)
            except ProviderAwayError:
                self._away_at = self._clock.now().timestamp()
                raise
            return self._provider

    def _read(self, now: float) -> _Provider:
        issuer = self.settings.issuer
        try:
            with httpx2.Client(timeout=TIMEOUT_S, trust_env=False) as client:
                place = issuer.rstrip("/") + "/.well-known/openid-configuration"
                metadata = client.get(place).raise_for_status().json()
                if not isinstance(metadata, dict) or metadata.get("issuer") != issuer:
                    raise ProviderAwayError("the metadata are of another issuer")
                for name in _ENDPOINTS:
                    _refuse_unsafe(str(metadata.get(name, "")), issuer)
                keys = client.get(str(metadata["jwks_uri"])).raise_for_status().json()
            return _Provider(metadata, KeySet.import_key_set(keys), now)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise ProviderAwayError(type(error).__name__) from None
        except (JoseError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ProviderAwayError(
                f"metadata or keys cannot be used ({type(error).__name__})"
            ) from None

    def _client(self, redirect_uri: str) -> OAuth2Client:
        return OAuth2Client(
            client_id=self.settings.client_id,
            client_secret=self._secret.get_secret_value(),
            scope="openid profile",
            redirect_uri=redirect_uri,
            code_challenge_method="S256",
            timeout=TIMEOUT_S,
            trust_env=False,
        )


def oidc_client(site: Site, secrets: Secrets, clock: Clock) -> OidcClient | None:
    """The client that the site asks for; None where it has no provider.

    Raises:
        UserError: the client's secret is missing.
    """
    if site.oidc is None:
        return None
    if secrets.web.oidc_client_secret is None:
        raise UserError(
            where="secrets",
            field="web.oidc_client_secret",
            problem="is missing, and the site has an [oidc] table",
            remedy="put the client's secret there, or take [oidc] out of the site",
        )
    return OidcClient(site.oidc, secrets.web.oidc_client_secret, clock)


def _refuse_unsafe(endpoint: str, issuer: str) -> None:
    """A provider that is reached over https must not send us or the browser elsewhere."""
    allowed = ("https://",) if issuer.startswith("https://") else ("https://", "http://")
    if not endpoint.startswith(allowed):
        raise ProviderAwayError("an endpoint is not reached over https")
