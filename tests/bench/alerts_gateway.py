"""A gateway of its own process for the alerts benchmark: notes when each message arrived.

``python -m tests.bench.alerts_gateway``; prints its port, then for each message a line with the
Unix time of its arrival and its reference, until it is ended.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import SecretStr
from sqlalchemy import Engine, select

from alerts.store import schema
from config.channel_secrets import GatewaySecret
from config.channel_site import Gateway
from config.errors import UserError
from config.secrets import PersonSecret, Secrets
from config.site import Site
from ingest.engine import reading

NAME = "gateway"
_ROOT = Path(__file__).resolve().parents[2]
_ANSWER = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{"code":0}'
)


@dataclass
class Arrivals:
    """When each message arrived at ``url``, by its reference; every arrival is kept."""

    url: str
    times: dict[str, list[float]] = field(default_factory=dict)

    def follow(self, lines: Iterator[str]) -> None:
        """Take in what the process prints, until it ends."""
        for line in lines:
            moment, _, reference = line.strip().partition(" ")
            self.times.setdefault(reference, []).append(float(moment))

    def after(self, engine: Engine, committed: Mapping[str, float]) -> list[float]:
        """Seconds from each event's commit to the first arrival of its message, sorted."""
        sent, links = schema.deliveries.c, schema.alert_events.c
        messages = (
            select(sent.id, links.event_id)
            .join_from(schema.alert_events, schema.deliveries, sent.alert_id == links.alert_id)
            .where(sent.channel == NAME, links.relation == "opened")
        )
        with reading(engine) as connection:
            rows = connection.execute(messages).all()
        first: dict[str, float] = {}
        for row in rows:
            for moment in self.times.get(row.id, []):
                first[row.event_id] = min(moment, first.get(row.event_id, moment))
        return sorted(moment - committed[event] for event, moment in first.items())

    def repeated(self) -> int:
        """Arrivals beyond one per message."""
        return sum(len(moments) - 1 for moments in self.times.values())


def phones(site: Site) -> Secrets:
    """A phone for everybody."""
    known = {person.id: PersonSecret(phone=SecretStr("13800000000")) for person in site.people}
    return Secrets(people=known, gateways={NAME: GatewaySecret()})


def with_gateway(site: Site, url: str) -> Site:
    """``site`` in which everybody is told by the gateway at ``url`` too."""
    gateway = Gateway.model_validate(
        {
            "id": NAME,
            "kind": "sms",
            "url": url,
            "per_minute": 100_000,
            "answer": {"field": "code", "accepted": ["0"]},
        }
    )
    return site.model_copy(update={"gateways": (gateway,)})


@contextmanager
def gateway() -> Iterator[Arrivals]:
    """The gateway, running."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.bench.alerts_gateway"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=_ROOT,
    )
    if process.stdout is None:
        raise UserError(where="gateway", problem="has no output", remedy="try again")
    arrivals = Arrivals(f"http://127.0.0.1:{int(process.stdout.readline())}/send")
    reader = threading.Thread(target=arrivals.follow, args=(process.stdout,))
    reader.start()
    try:
        yield arrivals
    finally:
        process.terminate()
        process.wait()
        reader.join()
        process.stdout.close()


async def _serve() -> None:
    server = await asyncio.start_server(_talk, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def _talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while head := await reader.readuntil(b"\r\n\r\n"):
            arrived = time.time()
            lines = head.lower().split(b"\r\n")
            [length] = [int(line[15:]) for line in lines if line.startswith(b"content-length:")]
            body = json.loads(await reader.readexactly(length))
            print(f"{arrived:.6f} {body['reference']}", flush=True)
            writer.write(_ANSWER)
            await writer.drain()
    except (asyncio.IncompleteReadError, ConnectionError):
        pass
    finally:
        writer.close()


if __name__ == "__main__":
    asyncio.run(_serve())
