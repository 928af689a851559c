"""A person with a browser's manners: logs in over HTTP and answers alerts, for runs without one."""

from __future__ import annotations

import httpx

from config.errors import UserError


class Person:
    """Somebody logged in at the centre's pages.

    Raises:
        UserError: the centre refuses the login.
    """

    def __init__(self, *, address: str, account: str, password: str) -> None:
        self._client = httpx.Client(base_url=address, timeout=10, trust_env=False)
        answer = self._client.post(
            "/api/v1/session",
            json={"account": account, "password": password},
            headers={"Origin": address},
        )
        if answer.status_code != httpx.codes.CREATED:
            self._client.close()
            raise UserError(
                where=f"{address}/api/v1/session",
                problem=f"{account} cannot log in (HTTP {answer.status_code})",
                remedy="read the centre's log",
            )
        self._headers = {"Origin": address, "X-CSRF-Token": answer.json()["csrf_token"]}

    def acknowledge(self, alert_id: str) -> bool:
        """Take an alert; False when somebody else was first or it is not this person's."""
        answer = self._client.post(
            f"/api/v1/alerts/{alert_id}/acknowledge", json={}, headers=self._headers
        )
        return answer.status_code == httpx.codes.OK

    def close(self) -> None:
        """Log out and hang up."""
        try:
            self._client.delete("/api/v1/session", headers=self._headers)
        except httpx.HTTPError:
            pass  # the centre may be gone already
        finally:
            self._client.close()
