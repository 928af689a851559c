"""``menshen bench fuzz``: hostile messages and uploads against the real ingest."""

from __future__ import annotations

import os
import random
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
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
from ingest.letters.reading import read_events
from ingest.media import MediaStore
from ingest.media_http import media_router
from ingest.migrate import upgrade
from ingest.store import EventStore
from tests.bench.hostile import hostile_message, hostile_request
from tests.bench.process_stats import rss_mb
from tests.bench.report import JsonFlag, finish, show

_TOKEN = "the token of node-1"
_GROUP = 50


@dataclass(slots=True)
class Result:
    """What became of everything; memory in MB of resident set."""

    messages: int = 0
    stored: int = 0
    letters: int = 0
    crashes: int = 0
    statuses: Counter[int] | None = None
    memory: tuple[float, float, float] = (0.0, 0.0, 0.0)

    @property
    def errors_5xx(self) -> int:
        """Answers of 500 and above."""
        return sum(n for code, n in (self.statuses or Counter()).items() if code >= 500)


def bench(
    messages: Annotated[int, typer.Option(min=0, help="Hostile MQTT payloads.")] = 90_000,
    requests: Annotated[int, typer.Option(min=0, help="Hostile uploads.")] = 10_000,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    as_json: JsonFlag = False,
) -> None:
    """Throw hostile payloads and uploads at ingest; exit with 1 for a crash or a 5xx."""
    configure_logs(level="error")
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="menshen-fuzz-") as folder:
        engine = open_engine(f"sqlite:///{Path(folder) / 'c.db'}")
        upgrade(engine)
        result = run(engine, Path(folder) / "media", messages, requests, random.Random(seed))
        engine.dispose()
    statuses = result.statuses or Counter()
    rows = [
        ("messages", f"{result.messages}"),
        ("crashes", f"{result.crashes}"),
        ("events stored / dead letters", f"{result.stored} / {result.letters}"),
        ("answers to uploads", ", ".join(f"{code}: {n}" for code, n in sorted(statuses.items()))),
        ("memory at 10 %, half, end (MB)", " / ".join(f"{mb:.0f}" for mb in result.memory)),
        ("seconds", f"{time.monotonic() - started:.0f}"),
    ]
    show("Hostile input", ("what", "value"), rows)
    finish(
        {
            "messages": result.messages,
            "uploads": sum(statuses.values()),
            "crashes": result.crashes,
            "errors_5xx": result.errors_5xx,
            "rss_mb": [round(mb, 1) for mb in result.memory],
        },
        as_json=as_json,
    )
    if result.crashes or result.errors_5xx:
        raise typer.Exit(1)


def run(engine: Engine, media: Path, messages: int, requests: int, chance: random.Random) -> Result:
    """Everything into one store and one upload door; see :class:`Result`."""
    store = EventStore(engine, SystemClock())
    result = Result()
    marks = [messages // 10, messages // 2, messages]
    seen: list[float] = []
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
        while marks and result.messages >= marks[0]:
            marks.pop(0)
            seen.append(rss_mb(os.getpid()))
    counts = store.counts()
    result.stored, result.letters = counts.events, counts.dead_letters
    result.statuses = _upload(store, media, requests, chance)
    first, middle, last = seen if len(seen) == 3 else (0.0, 0.0, 0.0)
    result.memory = (first, middle, max(last, rss_mb(os.getpid())))
    return result


def _groups(messages: int) -> Iterator[int]:
    for start in range(0, messages, _GROUP):
        yield min(_GROUP, messages - start)


def _upload(store: EventStore, media: Path, requests: int, chance: random.Random) -> Counter[int]:
    app = FastAPI()
    app.include_router(media_router(store, MediaStore(media), {"node-1": SecretStr(_TOKEN)}))
    statuses: Counter[int] = Counter()
    with TestClient(app, raise_server_exceptions=False) as client:
        for _ in range(requests):
            request = hostile_request(chance, _TOKEN)
            try:
                answer = client.put(
                    f"/v1/media/{request.path}", content=request.body, headers=request.headers
                )
            except httpx.HTTPError:
                continue  # the client itself refuses to send such a request
            statuses[answer.status_code] += 1
    return statuses
