"""What the same machine does without us: bare MQTT clients and inserts, in the same batches."""

from __future__ import annotations

import json
import multiprocessing
import sqlite3
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import paho.mqtt.client as paho
import pg8000.dbapi
from paho.mqtt.enums import CallbackAPIVersion
from sqlalchemy import select

from ingest.engine import open_engine, reading
from ingest.migrate import upgrade
from ingest.schema import events

_TOPIC = "bare/limit"
_UNANSWERED = 100
Row = tuple[Any, ...]


def messages_per_s(broker_url: str, payload_bytes: int, seconds: float) -> float:
    """QoS-1 messages of that size a second, from one bare paho client through to another."""
    context = multiprocessing.get_context("spawn")
    results = context.Queue()
    ready = context.Event()
    arguments = (broker_url, payload_bytes, seconds)
    receiver = context.Process(target=_receive, args=(*arguments, ready, results), daemon=True)
    sender = context.Process(target=_send, args=(*arguments, ready), daemon=True)
    receiver.start()
    sender.start()
    rate: float = results.get(timeout=seconds + 60)
    sender.join()
    receiver.join()
    return rate


def _client(broker_url: str, name: str) -> paho.Client:
    parts = urlsplit(broker_url)
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id=name)
    client.max_inflight_messages_set(0xFFFF)
    client.connect(parts.hostname or "127.0.0.1", parts.port or 1883)
    return client


def _send(broker_url: str, payload_bytes: int, seconds: float, ready: Any) -> None:
    client = _client(broker_url, "bare-sender")
    free = threading.Semaphore(_UNANSWERED)
    client.on_publish = lambda *_: free.release()
    client.loop_start()
    ready.wait()
    payload = b"x" * payload_bytes
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        free.acquire(timeout=5)
        client.publish(_TOPIC, payload, qos=1)
    client.publish(_TOPIC, b"", qos=1).wait_for_publish(10)
    client.disconnect()
    client.loop_stop()


def _receive(broker_url: str, _bytes: int, seconds: float, ready: Any, results: Any) -> None:
    client = _client(broker_url, "bare-receiver")
    times: list[float] = []
    ended = threading.Event()

    def on_message(_client: Any, _data: Any, message: Any) -> None:
        times.append(time.monotonic())
        if not message.payload:
            ended.set()

    client.on_message = on_message
    client.on_subscribe = lambda *_: ready.set()
    client.subscribe(_TOPIC, qos=1)
    client.loop_start()
    ended.wait(seconds + 30)
    client.disconnect()
    client.loop_stop()
    results.put((len(times) - 1) / (times[-1] - times[0]) if len(times) > 1 else 0.0)


def sample_rows(database: str, limit: int = 40_000) -> list[Row]:
    """Rows of ``events`` as the run has stored them, in the order of their ids."""
    engine = open_engine(database)
    with reading(engine) as connection:
        rows = [
            tuple(row) for row in connection.execute(select(events).order_by("id").limit(limit))
        ]
    engine.dispose()
    return rows


def inserts_per_s(database: str, rows: Sequence[Row], group: int, seconds: float) -> float:
    """Events a second into empty tables of our schema, ``group`` of them per transaction.

    With the database's driver alone: prepared inserts on SQLite, one statement per group from JSON
    on PostgreSQL, both into ``events`` and ``routing_queue``, with all of their indexes.
    """
    engine = open_engine(database)
    upgrade(engine)
    engine.dispose()
    groups = [rows[start : start + group] for start in range(0, len(rows), group)]
    insert = _into_sqlite if database.startswith("sqlite") else _into_postgresql
    started = time.monotonic()
    count = insert(database, groups, started + seconds)
    return count / (time.monotonic() - started)


def _into_sqlite(database: str, groups: list[Sequence[Row]], until: float) -> int:
    connection = sqlite3.connect(Path(database.removeprefix("sqlite:///")), isolation_level=None)
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")
    marks = ",".join("?" * len(events.columns))
    count = 0
    for group in groups:
        values = [tuple(map(_plain, row)) for row in group]
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(f"INSERT INTO events VALUES ({marks})", values)
        connection.executemany(
            "INSERT INTO routing_queue (event_id, enqueued_at) VALUES (?, ?)",
            [(row[0], row[10]) for row in values],
        )
        connection.execute("COMMIT")
        count += len(group)
        if time.monotonic() > until:
            break
    connection.close()
    return count


def _plain(value: Any) -> Any:
    return value.isoformat(sep=" ") if isinstance(value, datetime) else value


def _into_postgresql(database: str, groups: list[Sequence[Row]], until: float) -> int:
    parts = urlsplit(database)
    connection = pg8000.dbapi.connect(
        user=parts.username, host=parts.hostname, port=parts.port, database=parts.path[1:]
    )
    names = [column.name for column in events.columns]
    cursor = connection.cursor()
    count = 0
    for group in groups:
        rows = [dict(zip(names, row, strict=True)) for row in group]
        text = json.dumps(rows, default=datetime.isoformat)
        cursor.execute(
            "WITH stored AS (INSERT INTO events SELECT * FROM"
            " json_populate_recordset(NULL::events, CAST(%s AS json))"
            " RETURNING id, received_at)"
            " INSERT INTO routing_queue (event_id, enqueued_at) SELECT * FROM stored",
            (text,),
        )
        connection.commit()
        count += len(group)
        if time.monotonic() > until:
            break
    connection.close()
    return count
