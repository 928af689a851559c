"""Sends what a search or a trial has found to the centre, with this node's token."""

from __future__ import annotations

import httpx
from pydantic import SecretStr

from config.discovery import DOOR_PATH, TRIAL_PATH, DiscoveryReport, TrialReport
from config.errors import UserError
from edge.tools.discover import discover

_TIMEOUT_S = 10.0


def search(*, seconds: float = 3.0, interface: str | None = None) -> DiscoveryReport:
    """Search, and say in words when that was not possible."""
    try:
        return DiscoveryReport(cameras=tuple(discover(seconds=seconds, interface=interface)))
    except UserError as error:
        return DiscoveryReport(problem=str(error)[:500])


def send(report: DiscoveryReport, *, centre_url: str, node: str, token: SecretStr) -> None:
    """PUT the report at the centre.

    Raises:
        UserError: the centre cannot be reached or does not take it.
    """
    _put(DOOR_PATH, report, centre_url=centre_url, node=node, token=token)


def send_trial(
    trial: str, report: TrialReport, *, centre_url: str, node: str, token: SecretStr
) -> None:
    """PUT what came of a trial; raises as :func:`send` does."""
    _put(TRIAL_PATH + trial, report, centre_url=centre_url, node=node, token=token)


def _put(
    path: str,
    report: DiscoveryReport | TrialReport,
    *,
    centre_url: str,
    node: str,
    token: SecretStr,
) -> None:
    try:
        answer = httpx.put(
            centre_url.rstrip("/") + path,
            content=report.model_dump_json(),
            headers={
                "Authorization": f"Bearer {token.get_secret_value()}",
                "X-Menshen-Node": node,
                "Content-Type": "application/json",
            },
            timeout=_TIMEOUT_S,
        )
        answer.raise_for_status()
    except httpx.HTTPError as error:
        status = error.response.status_code if isinstance(error, httpx.HTTPStatusError) else None
        raise UserError(
            where=centre_url,
            problem=f"does not take the report ({status or type(error).__name__})",
            remedy="check --centre, and this node's token in the secrets files of both sides",
        ) from None
