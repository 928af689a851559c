"""``menshen bench chaos``: kill -9 of anything, again and again; then count what was lost."""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import dataclass, fields
from functools import partial
from itertools import repeat
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from sqlalchemy import Engine, func, select

from alerts.store.schema import alert_events, decisions
from config.logs import configure_logs
from ingest.accounting import Accounting, account
from ingest.engine import reading
from ingest.schema import dead_letters, events, routing_queue
from tests.bench import nursery
from tests.bench.alerts_gateway import Arrivals, gateway
from tests.bench.chaos_notices import PageWatch, notices, wait_for_notices
from tests.bench.chaos_plan import ROLL_OUT, Step, schedule
from tests.bench.chaos_watch import ReceiptWatch, Verdict
from tests.bench.chaos_world import PRELOADED, World
from tests.bench.report import JsonFlag, finish, show
from tests.small_disk import can_mount

_DRAIN_S = 300.0
_BUILDING = threading.Lock()  # Alembic keeps its migration in module globals


@dataclass(frozen=True, slots=True)
class Seen:
    """What nodes and people saw, and each thing that was wrong with it, in words."""

    roll_outs: int = 0
    configs_applied: int = 0
    notices: int = 0
    page_changes: int = 0
    told_full: int = 0
    """How often an ingest said that the disk of its database was full."""
    wrong: tuple[str, ...] = ()

    @property
    def notices_twice(self) -> int:
        """Notices that somebody saw twice."""
        return sum(line.startswith("told twice") for line in self.wrong)

    def __add__(self, other: Seen) -> Seen:
        """The sums."""
        names = [part.name for part in fields(self)]
        return Seen(**{name: getattr(self, name) + getattr(other, name) for name in names})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What is left when everything has healed; all but the first three should be 0."""

    kills: int
    promised: int
    result: Accounting
    missing: int
    """Events that a node had told to be committed, and that are not stored under that number."""
    undecided: int
    """Stored events that no router has decided about."""
    decided_twice: int
    verdict: Verdict
    seen: Seen

    @property
    def lost(self) -> int:
        """Events that were committed and are not where they belong."""
        return max(self.result.lost + self.result.outbox_left, self.missing)

    @property
    def duplicates(self) -> int:
        """Rows stored twice, events decided about twice, and notices that people saw twice."""
        return self.result.duplicates + self.decided_twice + self.seen.notices_twice

    @property
    def is_good(self) -> bool:
        """Nothing is wrong."""
        wrong = (self.lost, self.duplicates, self.undecided, self.result.dead_letters)
        return not any(wrong) and not self.verdict.early and not self.seen.wrong


def bench(
    kills: Annotated[int, typer.Option(min=1, help="How many kill -9.")] = 20,
    seed: Annotated[int, typer.Option(min=0, help="The same seed, the same schedule.")] = 1,
    nodes: Annotated[int, typer.Option(min=1, help="Edge nodes, all in one process.")] = 3,
    rate: Annotated[float, typer.Option(min=1, help="Events a second.")] = 30.0,
    pause: Annotated[float, typer.Option(min=0.01, help="Mean seconds between steps.")] = 0.6,
    database: Annotated[
        Literal["sqlite", "postgresql"], typer.Option(help="The centre's database.")
    ] = "postgresql",
    long_cuts: Annotated[
        bool, typer.Option(help="Take the network away for minutes, too: once in 125 kills.")
    ] = False,
    limit_s: Annotated[
        float, typer.Option("--limit-s", min=1, help="Kill nobody any more after so long.")
    ] = 86_400.0,
    settle_s: Annotated[
        float,
        typer.Option("--settle-s", help="Wait for notices that a killed router had in hand."),
    ] = 150.0,
    worlds: Annotated[
        int, typer.Option(min=1, max=16, help="Share the kills among so many systems at a time.")
    ] = 1,
    log: Annotated[
        Path | None, typer.Option(help="A JSON line per step here; default: standard error.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Kill edge, broker, ingest, router and database; break the network, the disks, the clock.

    Meanwhile configurations are rolled out, and people are told. Exits with 1 when an event was
    lost, shown twice, never decided about, or receipted before it was committed; when a node ran
    half a configuration or refused one; or when a notice or a change of an alert was seen twice
    or never. To fill the centre's disk it mounts a small one, as root; others go without.
    """
    # Our own connection to a database that is killed says so at length.
    logging.getLogger("sqlalchemy.pool").setLevel(logging.CRITICAL + 1)
    configure_logs(level="error")
    nursery.preload(PRELOADED)
    started = time.monotonic()
    worlds = min(worlds, kills)
    without = frozenset() if can_mount() else frozenset({"centre-full"})
    plans = [
        schedule(
            kills // worlds + (number < kills % worlds),
            seed=seed + number,
            pause_s=pause,
            is_sqlite=database == "sqlite",
            is_long=long_cuts,
            without=without,
        )
        for number in range(worlds)
    ]
    with ThreadPoolExecutor(worlds) as pool:
        run = partial(_one_world, nodes=nodes, rate=rate, database=database)
        run = partial(run, limit_s=limit_s, settle_s=settle_s)
        outcomes = list(pool.map(run, plans, repeat(Log(log)), range(worlds)))
    outcome = together(outcomes)
    seconds = time.monotonic() - started
    _report(outcome, seconds, database=database, without=without, as_json=as_json)
    if not outcome.is_good:
        raise typer.Exit(1)


def together(outcomes: Sequence[Outcome]) -> Outcome:
    """The sums over all worlds."""
    results = [outcome.result for outcome in outcomes]
    return Outcome(
        kills=sum(outcome.kills for outcome in outcomes),
        promised=sum(outcome.promised for outcome in outcomes),
        result=Accounting(
            **{
                part.name: sum(getattr(result, part.name) for result in results)
                for part in fields(Accounting)
            }
        ),
        missing=sum(outcome.missing for outcome in outcomes),
        undecided=sum(outcome.undecided for outcome in outcomes),
        decided_twice=sum(outcome.decided_twice for outcome in outcomes),
        verdict=Verdict(
            checked=sum(outcome.verdict.checked for outcome in outcomes),
            early=[line for outcome in outcomes for line in outcome.verdict.early],
        ),
        seen=sum((outcome.seen for outcome in outcomes), Seen()),
    )


class Log:
    """A JSON line per step, of all worlds."""

    def __init__(self, path: Path | None) -> None:
        self._path, self._lock = path, threading.Lock()

    def write(self, line: dict[str, Any]) -> None:
        """Add a line; on the disk, or on standard error."""
        with (
            self._lock,
            self._path.open("a", encoding="utf-8")
            if self._path
            else nullcontext(sys.stderr) as log,
        ):
            log.write(json.dumps(line) + "\n")


def _one_world(
    steps: list[Step],
    log: Log,
    number: int,
    *,
    nodes: int,
    rate: float,
    database: str,
    limit_s: float,
    settle_s: float,
) -> Outcome:
    """Everything from a first start to a count, in a folder, a broker and a database of its own."""
    with tempfile.TemporaryDirectory(prefix="menshen-chaos-") as folder, gateway() as arrivals:
        with _BUILDING:
            is_sqlite = database == "sqlite"
            world = World(Path(folder), arrivals.url, nodes=nodes, rate=rate, is_sqlite=is_sqlite)
        watch = ReceiptWatch(world.broker.url, world.engine)
        pages = PageWatch(world.engine, world.site)
        try:
            world.start()
            watch.start()
            pages.start()
            for name in world.actors:
                world.wait_ready(name)
            count = _play(world, steps, watch, log, number, limit_s)
            world.drain(_DRAIN_S)
            _wait_for_router(world.engine)
            wait_for_notices(world.engine, arrivals, settle_s)
            pages.stop()
            return _count(world, count, watch.stop(), _seen(world, pages, arrivals))
        finally:
            watch.stop()
            pages.stop()
            world.stop()


def _seen(world: World, pages: PageWatch, arrivals: Arrivals) -> Seen:
    world.actors["router"].kill()  # so that nothing is sent while it is counted
    told, wrong = notices(world.engine, arrivals)
    return Seen(
        roll_outs=world.configs.done,
        configs_applied=world.configs.applied,
        notices=told,
        page_changes=pages.read(),
        told_full=world.told_full,
        wrong=(*wrong, *pages.wrong, *world.configs.verdict()),
    )


def _play(
    world: World, steps: list[Step], watch: ReceiptWatch, log: Log, number: int, limit_s: float
) -> int:
    """Go through the steps; how many kills met a process that ran."""
    began = time.monotonic()
    kills = 0
    wanted = sum(step.is_kill for step in steps)
    position = 0
    while kills < wanted and time.monotonic() - began < limit_s:
        # A victim that was still starting is no kill: the schedule goes round again for it.
        step = steps[position % len(steps)]
        position += 1
        time.sleep(step.pause_s)
        is_done = world.do(step)
        kills += step.is_kill and is_done
        time.sleep(step.lasts_s)
        line: dict[str, Any] = {
            "world": number,
            "at_s": round(time.monotonic() - began, 2),
            "action": step.action,
            "done": is_done,
            "kills": kills,
            "promised": len(world.promised),
            "receipts_checked": watch.verdict.checked,
            "receipts_wrong": len(watch.verdict.early),
        }
        if not step.is_kill and step.action != ROLL_OUT:
            line |= {"strength": round(step.strength, 2), "lasts_s": round(step.lasts_s, 1)}
        log.write(line)
    return kills


def _wait_for_router(engine: Engine) -> None:
    until = time.monotonic() + _DRAIN_S
    while time.monotonic() < until:
        with reading(engine) as connection:
            if (
                connection.execute(select(func.count()).select_from(routing_queue)).scalar_one()
                == 0
            ):
                return
        time.sleep(0.2)


def _count(world: World, kills: int, verdict: Verdict, seen: Seen) -> Outcome:
    engine = world.engine
    result = account(sorted(world.outboxes.glob("*.sqlite")), engine)
    of_event = select(decisions.c.event_id).where(decisions.c.stage == "rule")
    with reading(engine) as connection:
        stored = {
            tuple(row)
            for row in connection.execute(select(events.c.node, events.c.seq, events.c.id))
        }
        undecided = connection.execute(
            select(func.count())
            .select_from(events)
            .where(
                events.c.id.not_in(select(alert_events.c.event_id)),
                events.c.id.not_in(of_event.where(decisions.c.event_id.is_not(None))),
            )
        ).scalar_one()
        twice = connection.execute(
            of_event.where(decisions.c.event_id.is_not(None))
            .group_by(decisions.c.event_id)
            .having(func.count() > 1)
        ).all()
        buried = connection.execute(select(dead_letters.c.reason)).scalars().all()
    verdict.early.extend(f"dead letter: {reason}" for reason in buried)
    missing = sum(1 for promise in world.promised if promise not in stored)
    promised = len(world.promised)
    return Outcome(kills, promised, result, missing, int(undecided), len(twice), verdict, seen)


def _report(
    outcome: Outcome, seconds: float, *, database: str, without: frozenset[str], as_json: bool
) -> None:
    result = outcome.result
    rows = [
        ("kills (kill -9)", outcome.kills),
        ("events committed at the edges", result.committed),
        ("of these promised by a line on a pipe", outcome.promised),
        ("stored", result.stored),
        ("lost", outcome.lost),
        ("stored or decided about twice", outcome.duplicates),
        ("never decided about", outcome.undecided),
        ("receipts compared with the store", outcome.verdict.checked),
        ("receipts or letters that should not be", len(outcome.verdict.early)),
        ("an ingest said that the database's disk is full", outcome.seen.told_full),
        ("configurations rolled out", outcome.seen.roll_outs),
        ("changes of alerts on the pages", outcome.seen.page_changes),
        ("notices at the gateway", outcome.seen.notices),
        ("configurations, changes, notices that are wrong", len(outcome.seen.wrong)),
        ("kinds of faults left out (not root)", len(without)),
        ("seconds", round(seconds)),
    ]
    show(f"Chaos on {database}", ("what", "count"), [(name, str(n)) for name, n in rows])
    for line in (*outcome.verdict.early, *outcome.seen.wrong)[:20]:
        typer.echo(line, err=True)
    finish(
        {
            "committed": result.committed,
            "stored": result.stored,
            "lost": outcome.lost,
            "duplicates": outcome.duplicates,
            "kills": outcome.kills,
            "receipts": outcome.verdict.checked,
            "centre_full_told": outcome.seen.told_full,
            "roll_outs": outcome.seen.roll_outs,
            "configs_applied": outcome.seen.configs_applied,
            "page_changes": outcome.seen.page_changes,
            "notices": outcome.seen.notices,
            "left_out": sorted(without),
            "wrong": len(outcome.verdict.early) + len(outcome.seen.wrong),
        },
        as_json=as_json,
    )
