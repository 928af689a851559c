"""``menshen bench fuzz``: hostile messages and uploads against ingest, a part over the wire."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import httpx
import typer
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import Engine
from starlette.testclient import TestClient

from config.clock import SystemClock
from config.logs import configure_logs
from ingest.engine import open_engine
from ingest.letters.bury import Totals, totals
from ingest.letters.reading import read_events
from ingest.media import DiskStore
from ingest.media.http import media_router
from ingest.migrate import upgrade
from ingest.store import EventStore
from tests.bench.fuzz_wire import Pipe, StuckError, centre, send_some, upload
from tests.bench.hostile import hostile_message, hostile_request
from tests.bench.process_stats import rss_mb
from tests.bench.report import JsonFlag, finish, show

_TOKEN = "the token of node-1"
_GROUP = 50
_WIRE_GROUP = 500
_SAMPLES = 40


@dataclass(slots=True)
class Curve:
    """Resident memory of this process, sampled at even steps of ``total`` things done."""

    total: int
    points: list[tuple[int, float]] = field(default_factory=list)
    """How many were done, and MB then."""

    def mark(self, done: int) -> None:
        """Sample, when the next of ``_SAMPLES`` steps has been reached."""
        if done * _SAMPLES >= self.total * (len(self.points) + 1):
            self.points.append((done, round(rss_mb(os.getpid()), 1)))

    def growth_mb(self) -> float:
        """Highest sample of the last quarter above the highest of the second one.

        The first quarter is left out: there caches, pools and the dead letters fill up.
        """
        quarter = len(self.points) // 4
        if quarter == 0:
            return 0.0
        values = [mb for _, mb in self.points]
        return max(values[-quarter:]) - max(values[quarter : 2 * quarter])


@dataclass(slots=True)
class Result:
    """What became of everything."""

    messages: int = 0
    stored: int = 0
    letters: Totals | None = None
    crashes: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    unsendable: int = 0
    """Requests and messages that the clients themselves refuse to send, or that got no answer."""
    wire_messages: int = 0
    """Of the messages, those through a real broker."""
    wire_statuses: Counter[int] = field(default_factory=Counter)
    """Answers to uploads over a real HTTP server, with S3 behind it."""
    while_messages: Curve = field(default_factory=lambda: Curve(0))
    while_uploads: Curve = field(default_factory=lambda: Curve(0))

    @property
    def errors_5xx(self) -> int:
        """Answers of 500 and above."""
        every = self.statuses + self.wire_statuses
        return sum(n for code, n in every.items() if code >= 500)


def bench(
    messages: Annotated[int, typer.Option(min=0, help="Hostile MQTT payloads.")] = 90_000,
    requests: Annotated[int, typer.Option(min=0, help="Hostile uploads.")] = 10_000,
    wire: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share that goes over mosquitto, HTTP and S3."),
    ] = 0.1,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Throw hostile payloads and uploads at ingest; exit with 1 for a crash or a 5xx."""
    configure_logs(level="error")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="menshen-fuzz-") as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'c.db'}")
        upgrade(engine)
        chance = random.Random(seed)
        far = round(messages * wire), round(requests * wire)
        near = messages - far[0], requests - far[1]
        result = run(engine, Path(folder) / "media", *near, chance)
        if any(far):
            run_over_wire(engine, *far, chance, result)
        engine.dispose()
    _report(result, time.monotonic() - started, as_json=as_json)
    if result.crashes or result.errors_5xx:
        raise typer.Exit(1)


def _report(result: Result, seconds: float, *, as_json: bool) -> None:
    letters = result.letters or Totals(0, 0, 0, 0)
    curves = {"messages": result.while_messages, "uploads": result.while_uploads}
    growth = {name: round(curve.growth_mb(), 1) for name, curve in curves.items()}
    answers = sorted(result.statuses.items())
    over_wire = sorted(result.wire_statuses.items())
    rows = [
        ("messages", f"{result.messages}"),
        ("crashes", f"{result.crashes}"),
        ("events stored", f"{result.stored}"),
        ("dead letters kept / dropped", f"{letters.kept} / {letters.dropped}"),
        ("answers to uploads", ", ".join(f"{code}: {n}" for code, n in answers)),
        ("messages through mosquitto", f"{result.wire_messages}"),
        ("answers over HTTP and S3", ", ".join(f"{code}: {n}" for code, n in over_wire)),
        ("not sendable, or without an answer", f"{result.unsendable}"),
        ("memory, last quarter above second (MB)", f"{growth}"),
        ("load of the machine", f"{os.getloadavg()[0]:.1f}"),
        ("seconds", f"{seconds:.0f}"),
    ]
    show("Hostile input", ("what", "value"), rows)
    finish(
        {
            "messages": result.messages,
            "uploads": sum((result.statuses + result.wire_statuses).values()),
            "unsendable": result.unsendable,
            "crashes": result.crashes,
            "errors_5xx": result.errors_5xx,
            "statuses": {str(code): n for code, n in answers},
            "wire_messages": result.wire_messages,
            "wire_statuses": {str(code): n for code, n in over_wire},
            "events_stored": result.stored,
            "letters_kept": letters.kept,
            "letters_dropped": letters.dropped,
            "rss_mb": {name: curve.points for name, curve in curves.items()},
            "rss_growth_mb": growth,
            "load": round(os.getloadavg()[0], 1),
            "seconds": round(seconds),
        },
        as_json=as_json,
    )


def run(engine: Engine, media: Path, messages: int, requests: int, chance: random.Random) -> Result:
    """Everything into one store and one upload door; see :class:`Result`."""
    store = EventStore(engine, SystemClock())
    result = Result(while_messages=Curve(messages), while_uploads=Curve(requests))
    for group in _groups(messages):
        mails = [read_events(*hostile_message(chance)) for _ in range(group)]
        try:
            store.insert_resilient(
                [mail.batch for mail in mails if mail.batch is not None],
                [letter for mail in mails for letter in mail.letters],
            )
        except Exception as error:  # noqa: BLE001 - each one is a finding, and is counted
            result.crashes += 1
            typer.echo(f"crash: {type(error).__name__}: {str(error)[:300]}", err=True)
        result.messages += group
        result.while_messages.mark(result.messages)
    result.stored, result.letters = store.counts().events, totals(engine)
    _upload(store, media, requests, chance, result)
    return result


def run_over_wire(
    engine: Engine, messages: int, requests: int, chance: random.Random, result: Result
) -> None:
    """The same through a real broker, and over a real HTTP server to S3; added to ``result``."""
    store = EventStore(engine, SystemClock())
    database = engine.url.render_as_string(hide_password=False)
    with centre(database, _TOKEN) as (broker_url, pages_url):
        to = Pipe(store, broker_url)
        to.start()
        try:
            _send_all(to, messages, chance, result)
        finally:
            to.stop()
        result.wire_messages = to.sent
        result.messages += messages
        result.unsendable += to.unsendable
        _upload_all(pages_url, requests, chance, result)
    result.stored, result.letters = store.counts().events, totals(engine)


def _upload_all(address: str, requests: int, chance: random.Random, result: Result) -> None:
    for _ in range(requests):
        status = upload(address, chance, _TOKEN)
        if status is None:
            result.unsendable += 1
        else:
            result.wire_statuses[status] += 1
    if httpx.get(f"{address}/readyz", timeout=60).status_code != 200:
        result.crashes += 1
        typer.echo("the centre is not ready any more", err=True)


def _send_all(to: Pipe, messages: int, chance: random.Random, result: Result) -> None:
    for start in range(0, messages, _WIRE_GROUP):
        try:
            send_some(to, min(_WIRE_GROUP, messages - start), chance)
        except StuckError as error:
            result.crashes += 1
            typer.echo(f"stuck: {error}", err=True)
            return


def _groups(messages: int) -> Iterator[int]:
    for start in range(0, messages, _GROUP):
        yield min(_GROUP, messages - start)


def _upload(
    store: EventStore, media: Path, requests: int, chance: random.Random, result: Result
) -> None:
    app = FastAPI()
    app.include_router(media_router(store, DiskStore(media), {"node-1": SecretStr(_TOKEN)}))
    with TestClient(app, raise_server_exceptions=False) as client:
        for number in range(requests):
            request = hostile_request(chance, _TOKEN)
            try:
                answer = client.put(
                    f"/v1/media/{request.path}", content=request.body, headers=request.headers
                )
            except httpx.HTTPError:
                result.unsendable += 1
            else:
                result.statuses[answer.status_code] += 1
            result.while_uploads.mark(number + 1)
