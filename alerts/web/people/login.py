"""Login: name and password in, a fresh session out; or words that say why not."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from math import ceil

from alerts.web.base import errors
from alerts.web.base.errors import Refusal
from alerts.web.context import Web
from alerts.web.people.sessions import Session
from alerts.web.people.throttle import LockedOut
from config.ids import NAME_PATTERN
from config.logs import get_logger

_NAME = re.compile(NAME_PATTERN)
_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What was typed: an account id or a person's own name, a password, perhaps a code."""

    account: str
    password: str
    code: str = ""


class CodeNeeded(Refusal):
    """Name and password are right; the second factor's code is missing."""

    def __init__(self, person_id: str) -> None:
        en = "The one-time code is needed too"
        super().__init__(401, "code_needed", zh="还需要动态码", en=en)
        self.person_id = person_id


def log_in(web: Web, typed: Credentials, *, address: str, device: str) -> tuple[str, Session]:
    """Check the password and open a session; returns its token and the session.

    Raises:
        CodeNeeded: the password is right, and this person's second factor is asked for.
        Refusal: 401 when name and password do not fit, 429 when locked, with the minutes left.
    """
    account = _account_id(web, typed.account)
    attempt = begin_attempt(web, account, address)
    if not web.accounts.check(account, typed.password):
        web.metrics.logins.labels("wrong").inc()
        _log.info("login refused", account=account, address=address)
        raise Refusal(
            401,
            "wrong_password",
            zh="姓名或密码不对，请再试一次",
            en="Name or password is wrong; try again",
        )
    if web.second_factors.enrolled(account):
        # The attempt stays counted until the code is right as well.
        if not typed.code:
            raise CodeNeeded(account)
        return second_step(web, account, typed.code, address=address, device=device)
    return _open(web, attempt, account, address=address, device=device)


def log_in_vouched(web: Web, account: str, *, address: str, device: str) -> tuple[str, Session]:
    """Open a session for somebody whom the county's identity provider vouches for.

    Raises:
        CodeNeeded: this person's second factor is asked for all the same.
        Refusal: 429 when locked.
    """
    attempt = begin_attempt(web, account, address)
    if web.second_factors.enrolled(account):
        raise CodeNeeded(account)
    return _open(web, attempt, account, address=address, device=device)


def second_step(
    web: Web, account: str, code: str, *, address: str, device: str
) -> tuple[str, Session]:
    """Check the one-time code and open a session.

    Raises:
        Refusal: 401 when the code does not fit, 429 when locked.
    """
    attempt = begin_attempt(web, account, address)
    if not web.second_factors.check(account, code):
        web.metrics.logins.labels("wrong").inc()
        _log.info("one-time code refused", account=account, address=address)
        raise errors.wrong_code()
    return _open(web, attempt, account, address=address, device=device)


def begin_attempt(web: Web, account: str, address: str) -> int:
    """Count an attempt before it is looked at (429 as :func:`log_in`); returns its id."""
    try:
        return web.throttle.begin(account, address)
    except LockedOut as locked:
        web.metrics.logins.labels("locked").inc()
        _log.warning("login locked", account=account, address=address, limit=locked.limit.what)
        raise _locked(web, locked) from None


def _open(
    web: Web, attempt: int, account: str, *, address: str, device: str
) -> tuple[str, Session]:
    web.throttle.succeeded(attempt, account, address)
    web.metrics.logins.labels("ok").inc()
    _log.info("logged in", account=account, address=address)
    return web.sessions.open(account, address=address, device=device)


def _account_id(web: Web, typed: str) -> str:
    """The id behind what was typed; a name that two people share does not identify anybody."""
    typed = typed.strip()
    if _NAME.fullmatch(typed.lower()):
        return typed.lower()
    named = [person.id for person in web.site.people if person.name == typed]
    if len(named) == 1:
        return named[0]
    # Counted like any account, but what was typed, perhaps a password, is not written down.
    return "?" + hashlib.sha256(typed.encode()).hexdigest()[:16]


def _locked(web: Web, locked: LockedOut) -> Refusal:
    seconds = max(1.0, (locked.until - web.clock.now()).total_seconds())
    minutes = ceil(seconds / 60)
    return Refusal(
        429,
        "locked",
        zh=f"密码错误次数太多，为安全已暂时锁定，请 {minutes} 分钟后再试",
        en=f"Too many wrong passwords; locked for safety, try again in {minutes} min",
        headers={"Retry-After": str(ceil(seconds))},
    )
