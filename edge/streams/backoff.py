"""When to try a lost camera again: exponential back-off with jitter, and no locked accounts."""

from __future__ import annotations

import random
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """Waits in seconds.

    ``first_s`` doubles up to ``longest_s``. Cameras lock an account after a few wrong
    passwords, so after ``credential_tries`` refusals nothing is tried for ``locked_out_s``.
    """

    first_s: float = 1.0
    longest_s: float = 60.0
    credential_tries: int = 3
    locked_out_s: float = 600.0


@dataclass(slots=True)
class Backoff:
    """Counts the failures of one stream and says how long to wait before the next try."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    random: random.Random = field(default_factory=random.Random)
    failures: int = 0

    def succeeded(self) -> None:
        """Pictures arrive: the next failure is a first one."""
        self.failures = 0

    def failed(self) -> float:
        """Seconds until the next try.

        Equal jitter: half of the exponential step is fixed and half random, so that the cameras
        of a switch that restarts do not come back in one moment. Never below ``first_s`` nor
        above ``longest_s``.
        """
        step = min(self.policy.longest_s, self.policy.first_s * 2.0 ** min(self.failures, 30))
        self.failures += 1
        return max(self.policy.first_s, step / 2 + self.random.uniform(0, step / 2))


@dataclass(slots=True)
class LockOut:
    """Protects one camera's account: counts refused logins over all of its streams."""

    policy: RetryPolicy = field(default_factory=RetryPolicy)
    until_s: float | None = None
    _refusals: dict[str, int] = field(default_factory=dict)

    def refused(self, stream: str, now_s: float) -> None:
        """The camera refused the login of ``stream`` (a name such as ``main``)."""
        self._refusals[stream] = self._refusals.get(stream, 0) + 1
        if sum(self._refusals.values()) >= self.policy.credential_tries:
            self.until_s = now_s + self.policy.locked_out_s
            self._refusals.clear()

    def succeeded(self, stream: str) -> None:
        """``stream`` was let in: its earlier refusals no longer count."""
        self._refusals.pop(stream, None)

    def remaining_s(self, now_s: float) -> float:
        """Seconds during which no login may be tried; 0 when one may."""
        return 0.0 if self.until_s is None else max(0.0, self.until_s - now_s)
