"""An OpenID Connect provider on a free port, real HTTP and real signatures, that can also lie."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any, Self
from urllib.parse import urlencode

import uvicorn
from fastapi import FastAPI, Form, Request
from fastapi.responses import JSONResponse, RedirectResponse, Response
from joserfc import jwt
from joserfc.jwk import RSAKey

from config.clock import Clock

CLIENT_ID, CLIENT_SECRET = "menshen", "client-secret"


class Provider(AbstractContextManager["Provider"]):
    """Lets ``person`` in without asking; each code is for one use, with PKCE.

    ``twist`` may change the claims of the ID token, ``sign`` how it is signed.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.person = "police-desk"
        self.key = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
        self.metadata_issuer: str | None = None
        self.answer_issuer: str | None = None
        self.twist: Callable[[dict[str, Any]], dict[str, Any]] = lambda claims: claims
        self.sign: Callable[[dict[str, Any]], str] = self.signed
        self.is_down = False
        self.is_broken = False
        self.asked = 0
        self._codes: dict[str, dict[str, str]] = {}
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self.issuer = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self._server = uvicorn.Server(
            uvicorn.Config(self._app(), log_config=None, access_log=False, lifespan="off")
        )
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": [self._socket]}, name="oidc-provider"
        )

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._server.started:
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    def signed(self, claims: dict[str, Any]) -> str:
        """The honest way."""
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, self.key)

    def signed_with_the_public_key(self, claims: dict[str, Any]) -> str:
        """HMAC keyed with what everybody knows: the old confusion of algorithms (by hand, as no
        library signs so)."""
        head = _base64(json.dumps({"alg": "HS256", "kid": "one"}).encode())
        text = f"{head}.{_base64(json.dumps(claims).encode())}"
        key = self.key.as_pem(private=False)
        return f"{text}.{_base64(hmac.new(key, text.encode(), hashlib.sha256).digest())}"

    def unsigned(self, claims: dict[str, Any]) -> str:
        """``alg: none``."""
        honest = self.signed(claims).split(".")
        head = "eyJhbGciOiJub25lIn0"
        return f"{head}.{honest[1]}."

    def signed_by_a_stranger(self, claims: dict[str, Any]) -> str:
        """A valid signature of a key that is not the provider's, under its name."""
        key = RSAKey.generate_key(2048, {"kid": "one"}, private=True)
        return jwt.encode({"alg": "RS256", "kid": "one"}, claims, key)

    def _app(self) -> FastAPI:
        app = FastAPI(openapi_url=None)

        @app.get("/.well-known/openid-configuration")
        def metadata() -> Response:
            self.asked += 1
            if self.is_down:
                return Response(status_code=503)
            return JSONResponse(
                {
                    "issuer": self.metadata_issuer or self.issuer,
                    "authorization_endpoint": f"{self.issuer}/authorize",
                    "token_endpoint": f"{self.issuer}/token",
                    "jwks_uri": f"{self.issuer}/keys",
                    "authorization_response_iss_parameter_supported": True,
                }
            )

        @app.get("/keys")
        def keys() -> Response:
            return JSONResponse({"keys": [self.key.as_dict(private=False)]})

        @app.get("/authorize")
        def authorize(request: Request) -> Response:
            asked = dict(request.query_params)
            assert asked["response_type"] == "code"
            assert asked["code_challenge_method"] == "S256"
            code = f"code-{len(self._codes)}"
            self._codes[code] = asked
            answer = {"code": code, "state": asked["state"]}
            answer["iss"] = self.answer_issuer or self.issuer
            return RedirectResponse(f"{asked['redirect_uri']}?{urlencode(answer)}", 303)

        @app.post("/token")
        def token(
            request: Request,
            code: str = Form(),
            code_verifier: str = Form(),
            redirect_uri: str = Form(),
        ) -> Response:
            asked = self._codes.pop(code, None)
            if self.is_broken:
                return Response("<h1>500</h1>", status_code=500)
            if asked is None or asked["redirect_uri"] != redirect_uri:
                return JSONResponse({"error": "invalid_grant"}, status_code=400)
            if _challenge(code_verifier) != asked["code_challenge"]:
                return JSONResponse({"error": "invalid_grant"}, status_code=400)
            if request.headers["authorization"] != _basic(CLIENT_ID, CLIENT_SECRET):
                return JSONResponse({"error": "invalid_client"}, status_code=401)
            now = int(self.clock.now().timestamp())
            claims = {
                "iss": self.issuer,
                "sub": f"subject-of-{self.person}",
                "aud": CLIENT_ID,
                "exp": now + 300,
                "iat": now,
                "nonce": asked["nonce"],
                "preferred_username": self.person,
            }
            id_token = self.sign(self.twist(claims))
            body = {"access_token": "opaque", "token_type": "Bearer", "id_token": id_token}
            return JSONResponse(body)

        return app


def _challenge(verifier: str) -> str:
    """RFC 7636, 4.2."""
    return _base64(hashlib.sha256(verifier.encode()).digest())


def _base64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _basic(name: str, secret: str) -> str:
    return "Basic " + base64.b64encode(f"{name}:{secret}".encode()).decode()
