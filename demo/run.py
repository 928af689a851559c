"""Runs the demo: starts the county's processes, follows them, stops them in order, counts."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import httpx
from rich.console import Console
from sqlalchemy import Engine

from config.clock import Clock
from config.errors import UserError
from config.settings import Settings
from demo.answers import Answers
from demo.desk import Desk
from demo.journal import JournalReader, Line
from demo.narrator import Narrator
from demo.processes import Process
from demo.scoring import load_truth
from demo.summary import Summary, summarise
from ingest.engine import open_engine
from ingest.store import EventStore
from models.core import VisionCore

_LOOK_S = 0.2
_START_PATIENCE_S = 240.0
"""The first run renders and encodes the scenes; on one slow core that takes a while."""
_DRAIN_S = 20.0
ESCALATE_AFTER_S = 20
"""A county waits minutes for an answer; a demo must show what happens when none comes."""


@dataclass
class Demo:
    """One run. ``seconds`` None means until Ctrl-C; ``headless`` lets the told people answer."""

    desk: Desk
    settings: Settings
    clock: Clock
    console: Console
    seconds: float | None
    headless: bool
    seed: int = 1
    _stopping: threading.Event = field(default_factory=threading.Event)
    _lines: list[Line] = field(default_factory=list)

    def run(self) -> Summary:
        """Run to the end; every process it started has ended when it returns.

        Raises:
            UserError: a process cannot start or ended by itself, with its own last words.
        """
        missing = self._missing_models()
        with ExitStack() as cleanup:
            cleanup.enter_context(_signals(self._stopping))
            cameras = self._simulator()
            centre = self._centre()
            nodes = [self._node(node.id) for node in self.desk.site.nodes]
            cleanup.callback(_stop_all, [*nodes, centre, cameras])
            self._start_up(cameras, centre)
            engine = cleanup.enter_context(_engine(self._database()))
            narrator = Narrator(self.console, self.desk.site, EventStore(engine, self.clock).load)
            narrator.welcome(self.desk)
            for node in nodes:
                node.start()
            until = self._follow([cameras, centre, *nodes], nodes, narrator)
            _stop_all([centre, cameras])
            summary = self._summary(engine, until, missing)
            narrator.sum_up(summary)
        return summary

    def _start_up(self, cameras: Process, centre: Process) -> None:
        with self.console.status("准备摄像机 Preparing the cameras (rendered once, then kept) …"):
            cameras.start()
            self._wait_for(lambda: b"Serving" in cameras.log.read_bytes(), cameras)
        with self.console.status("启动中心 Starting the centre …"):
            centre.start()
            self._wait_for(lambda: _answers(f"{self.desk.address}/readyz"), centre)

    def _follow(
        self, watched: Sequence[Process], nodes: Sequence[Process], narrator: Narrator
    ) -> datetime:
        """Tell what happens until the time is up, then stop the nodes; returns when that was."""
        reader = JournalReader(self.desk.events_log)
        answers = Answers(
            address=self.desk.address, passwords=self.desk.passwords, clock=self.clock
        )
        deadline = None if self.seconds is None else self.clock.monotonic() + self.seconds
        try:
            while deadline is None or self.clock.monotonic() < deadline:
                for process in watched:
                    process.check()
                self._relay(reader, narrator, answers)
                if self.clock.wait(self._stopping, _LOOK_S):
                    break
            until = self.clock.now()
            _stop_all(nodes, patience_s=_DRAIN_S + 10)
            self._relay(reader, narrator, answers)
            if self.headless:
                self._see_it_climb(reader, narrator, answers)
                answers.act(everything=True)
                self.clock.wait(threading.Event(), _LOOK_S)
                self._relay(reader, narrator, answers)
        finally:
            answers.close()
        return until

    def _relay(self, reader: JournalReader, narrator: Narrator, answers: Answers) -> None:
        for line in reader.new_lines():
            self._lines.append(line)
            narrator.tell(line)
            answers.notice(line)
        if self.headless:
            answers.act()

    def _see_it_climb(self, reader: JournalReader, narrator: Narrator, answers: Answers) -> None:
        """Give an alert that came late, as it does on a busy machine, the time to escalate."""
        deadline = self.clock.monotonic() + ESCALATE_AFTER_S
        while answers.awaits_escalation and self.clock.monotonic() < deadline:
            if self.clock.wait(self._stopping, _LOOK_S):
                return
            self._relay(reader, narrator, answers)

    def _wait_for(self, ready: Callable[[], bool], process: Process) -> None:
        deadline = self.clock.monotonic() + _START_PATIENCE_S
        while not ready():
            process.check()
            if self._stopping.is_set():
                raise KeyboardInterrupt
            if self.clock.monotonic() > deadline:
                raise UserError(
                    where=f"menshen {process.arguments[0]}",
                    problem=f"is not ready after {_START_PATIENCE_S:.0f} s:\n{process.tail()}",
                    remedy=f"read its whole log in {process.log}",
                )
            self.clock.wait(self._stopping, _LOOK_S)

    def _missing_models(self) -> list[str]:
        settings = self.settings
        with VisionCore.open(
            models_dir=settings.models_dir,
            mirror=settings.models_mirror,
            face_model=settings.inference_face_model,
        ) as vision:
            for model in vision.missing:
                self.console.print(
                    f"[yellow]Without {model.name}:[/] {model.remedy}", soft_wrap=True
                )
            return [model.name for model in vision.missing]

    def _simulator(self) -> Process:
        desk = self.desk
        return self._process(
            "cameras",
            ["simulate", "--site", desk.site_file, "--port", desk.rtsp_port]
            + ["--truth", desk.truth_file, "--seed", self.seed],
        )

    def _centre(self) -> Process:
        desk = self.desk
        return self._process(
            "centre",
            ["centre", "run", "--site", desk.site_file, "--secrets", desk.secrets_file]
            + ["--port", desk.web_port, "--broker-port", desk.broker_port]
            + ["--events-log", desk.events_log],
        )

    def _node(self, node: str) -> Process:
        desk = self.desk
        return self._process(
            node,
            ["edge", "run", "--site", desk.site_file, "--node", node]
            + ["--secrets", desk.secrets_file, "--centre", desk.address]
            + ["--report", desk.report(node), "--drain", _DRAIN_S],
        )

    def _process(self, name: str, arguments: list[object]) -> Process:
        return Process(
            name=name,
            arguments=[str(part) for part in arguments],
            log=self.desk.log(name),
            environment=self.desk.environment(name, self.settings),
        )

    def _database(self) -> str:
        return self.settings.database or f"sqlite:///{self.desk.data_dir('centre') / 'centre.db'}"

    def _summary(self, engine: Engine, until: datetime, missing: list[str]) -> Summary:
        nodes = [node.id for node in self.desk.site.nodes]
        return summarise(
            engine=engine,
            outboxes=[self._outbox(node) for node in nodes],
            reports=[self.desk.report(node) for node in nodes],
            journal=self._lines,
            appearances=load_truth(self.desk.truth_file),
            until=until,
            missing_models=missing,
        )

    def _outbox(self, node: str) -> Path:
        return self.desk.data_dir(node) / "edge" / node / "outbox.sqlite"


def _stop_all(processes: Sequence[Process], *, patience_s: float = 20) -> None:
    """Stop all at once, then wait for each, so that the waits do not add up."""
    for process in processes:
        process.ask_to_stop()
    for process in processes:
        process.stop(patience_s=patience_s)


def _answers(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == httpx.codes.OK
    except httpx.HTTPError:
        return False


@contextmanager
def _engine(url: str) -> Iterator[Engine]:
    engine = open_engine(url)
    try:
        yield engine
    finally:
        engine.dispose()


@contextmanager
def _signals(stopping: threading.Event) -> Iterator[None]:
    """Ctrl-C and SIGTERM end the demo in order; a second one ends it at once."""

    def handler(number: int, _frame: object) -> None:
        if stopping.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stopping.set()

    before = {number: signal.signal(number, handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)
