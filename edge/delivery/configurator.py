"""Decides which configuration a node runs: tries what is wanted, keeps what works, goes back."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path

from pydantic import SecretStr

from config.clock import Clock
from config.desired import DesiredConfig, ReportedConfig, UnusableDocumentError, unseal
from config.durable import replace_file, sync_folder
from config.errors import UserError
from config.logs import get_logger

log = get_logger(__name__)

TRIAL_S = 120.0
"""A new configuration is given up when the centre has not been reached for so long."""
MOST_TRIES = 3
"""A trial that a restart interrupts begins again, this often at most: it may be the reason."""


class Configurator:
    """Keeps, under ``folder``, the last configuration that worked, and the one on trial.

    Not thread-safe: one thread calls it. Every method returns the report to publish, or None.

    Args:
        key: the node's token, with which documents are signed.
        apply: makes the cameras run a configuration; None is what the node was installed with.
            It raises :class:`UserError` for one that cannot run.
    """

    def __init__(
        self,
        folder: Path,
        *,
        node: str,
        key: SecretStr,
        clock: Clock,
        apply: Callable[[DesiredConfig | None], None],
    ) -> None:
        self._folder, self._node, self._key, self._clock = folder, node, key, clock
        self._apply = apply
        folder.mkdir(parents=True, exist_ok=True)
        self._good = self._read("good")
        self._trial: DesiredConfig | None = None
        self._ends_at = 0.0
        self._given_up = int(self._number("given-up") or 0)

    @property
    def running(self) -> int:
        """The revision that the cameras run; 0 is what the node was installed with."""
        document = self._trial or self._good
        return document.revision if document is not None else 0

    @property
    def is_trying(self) -> bool:
        """True while a configuration is on trial."""
        return self._trial is not None

    def start(self) -> ReportedConfig | None:
        """Apply what was running when the node ended; a trial begins again.

        What has become of the newest document is reported anew: the node may have ended before
        the centre heard of it.
        """
        trial = self._read("trial")
        tries = int(self._number("tries") or 0)
        if trial is None or (self._good is not None and self._good.revision >= trial.revision):
            self._remove("trial")
            if self._good is not None:
                self._go_back()
            return self._standing()
        if tries >= MOST_TRIES:
            return self._give_up(trial, "rolled_back", f"the node ended {tries} times under it")
        self._write("tries", str(tries + 1).encode())
        return self._try(trial)

    def offer(self, payload: bytes, *, topic: str) -> ReportedConfig | None:
        """A document has come: try it, unless it is old, was given up, or is not valid."""
        try:
            wanted = unseal(DesiredConfig, payload, node=self._node, key=self._key, where=topic)
        except UnusableDocumentError as error:
            return self._refuse(error)
        except UserError as error:
            # Its revision cannot be trusted either, so there is nothing to report about.
            log.error("configuration refused", node=self._node, why=str(error))
            return None
        if wanted.revision <= max(self.running, self._given_up):
            return None
        # In this order: on a full disk an older trial must not end up under another's name.
        self._write("tries", b"1")
        self._write("trial", payload)
        return self._try(wanted)

    def reached_centre(self) -> ReportedConfig | None:
        """The centre has answered: what is on trial works, and is kept."""
        trial = self._trial
        if trial is None:
            return None
        (self._folder / "trial").replace(self._folder / "good")
        self._good, self._trial = trial, None
        sync_folder(self._folder)
        return self._report(trial.revision, "applied")

    def look(self) -> ReportedConfig | None:
        """Go back when the trial's time is over."""
        if self._trial is None or self._clock.monotonic() < self._ends_at:
            return None
        return self._give_up(
            self._trial, "rolled_back", f"the centre was not reached within {TRIAL_S:.0f} s"
        )

    def _try(self, wanted: DesiredConfig) -> ReportedConfig:
        try:
            self._apply(wanted)
        except UserError as error:
            return self._give_up(wanted, "refused", str(error))
        self._trial = wanted
        self._ends_at = self._clock.monotonic() + TRIAL_S
        return self._report(wanted.revision, "trying")

    def _go_back(self) -> None:
        """Run the last good one, or what was installed where that has become impossible."""
        try:
            self._apply(self._good)
        except UserError as error:
            log.error("kept configuration cannot run", node=self._node, why=str(error))
            self._good = None
            self._apply(None)

    def _refuse(self, error: UnusableDocumentError) -> ReportedConfig | None:
        if error.revision <= max(self.running, self._given_up):
            return None
        self._remember(error.revision, "refused", str(error))
        return self._report(error.revision, "refused", str(error))

    def _give_up(self, wanted: DesiredConfig, state: str, problem: str) -> ReportedConfig:
        try:
            self._remember(wanted.revision, state, problem)
            self._remove("trial")
        except OSError as error:
            # A full disk must not hold a node to what cuts it off. A restart may try it again.
            log.error("not noted that it was given up", node=self._node, why=str(error.strerror))
            self._given_up = max(self._given_up, wanted.revision)
        self._trial = None
        self._go_back()
        return self._report(wanted.revision, state, problem)

    def _remember(self, revision: int, state: str, problem: str) -> None:
        """Before anything else is done about it: a crash now must not try it for ever."""
        self._write("why", f"{revision} {state} {problem}".encode())
        given_up = max(self._given_up, revision)
        self._write("given-up", str(given_up).encode())
        self._given_up = given_up
        log.error("configuration given up", node=self._node, revision=revision, why=problem)

    def _standing(self) -> ReportedConfig | None:
        """What has become of the newest document that this node knows."""
        if self._given_up <= self.running:
            return self._report(self.running, "applied") if self.running else None
        number, _, rest = self._words("why").partition(" ")
        state, _, problem = rest.partition(" ")
        if number != str(self._given_up) or state not in ("refused", "rolled_back"):
            return None
        return self._report(self._given_up, state, problem)

    def _report(self, revision: int, state: str, problem: str = "") -> ReportedConfig:
        return ReportedConfig.model_validate(
            {
                "node": self._node,
                "running": self.running,
                "wanted": revision,
                "state": state,
                "problem": problem[:500],
                "at": self._clock.now(),
            }
        )

    # -- files ---------------------------------------------------------------------------------

    def _read(self, name: str) -> DesiredConfig | None:
        try:
            payload = (self._folder / name).read_bytes()
            return unseal(
                DesiredConfig, payload, node=self._node, key=self._key, where=str(self._folder)
            )
        except FileNotFoundError:
            return None
        except UserError as error:
            log.error("kept configuration cannot be used", file=name, why=str(error))
            return None

    def _number(self, name: str) -> str:
        text = self._words(name)
        return text if text.isascii() and text.isdecimal() else ""

    def _words(self, name: str) -> str:
        try:
            return (self._folder / name).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return ""

    def _write(self, name: str, data: bytes) -> None:
        replace_file(self._folder / name, data, half=self._folder / f"{name}.part")

    def _remove(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self._folder / name).unlink()
            sync_folder(self._folder)
