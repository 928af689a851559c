"""The centre in one process: broker, ingest, router, timers, dispatchers and the web pages."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from sqlalchemy import Engine

from alerts.auditing.alarm import Alarm
from alerts.auditing.audit import AuditLog
from alerts.auditing.auditor import Auditor
from alerts.auditing.checkpoints import EVERY_S as CHECKPOINT_EVERY_S
from alerts.auditing.checkpoints import FILE_NAME, CheckpointExport
from alerts.auditing.heartbeat import EVERY_S, Heartbeat, Pulse
from alerts.database import database_url
from alerts.deciding.router import Router
from alerts.hub import Bell, Hub
from alerts.inhibition.node_watch import NodeWatch
from alerts.journal import Journal
from alerts.loops import Loop
from alerts.retention.job import EVERY_S as RETENTION_EVERY_S
from alerts.retention.job import RetentionJob
from alerts.seeing.service import AlertService
from alerts.silences.book import SilenceBook
from alerts.store.applying import AlertStore
from alerts.storm.digests import Digests
from alerts.telling.sending import Sending
from alerts.timers import Timers
from alerts.wartime.orders import WartimeOrders
from alerts.web.app import create_app
from alerts.web.camera.live import live_router
from alerts.web.home.household import household_router
from alerts.web.installer.discovery import discovery_router
from alerts.web.installer.found import found_router
from alerts.web.server import WebServer
from config.clock import Clock
from config.errors import UserError
from config.logs import get_logger
from config.secrets import Secrets
from config.settings import Settings
from config.site import Role, Site
from config.tls import broker_tls
from config.wire import EventBatch, Receipt
from ingest.arrival import Arrival
from ingest.broker import EmbeddedBroker
from ingest.configs import ConfigService, ConfigStore
from ingest.engine import open_engine
from ingest.household_link import HouseholdService
from ingest.households import Households
from ingest.letters.reading import DeadLetter
from ingest.live import LiveRelay
from ingest.live_door import live_door
from ingest.live_links import EVERY_S as LINKS_EVERY_S
from ingest.live_links import LinkBook, reachable
from ingest.live_peers import Peers, peer_door
from ingest.media.http import media_router
from ingest.media.opening import open_media
from ingest.migrate import upgrade
from ingest.store import EventStore
from ingest.subscriber import Subscriber
from ingest.trouble import Troubles

PARTS = ("ingest", "router", "web", "retention")
AUDIT_EVERY_S = 30.0
QUIET_EVERY_S = 1.0
BROKER_PATIENCE_S = 5.0
"""The centre counts as ready after this even without its broker: alerts go on."""

SHARE = "ingest"
"""The group of ingest replicas that share a broker's events between them."""

_log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run and where; port 0 takes a free one."""

    site: Site
    secrets: Secrets
    settings: Settings
    host: str = "127.0.0.1"
    port: int = 8080
    broker_host: str = "127.0.0.1"
    broker_port: int = 1883
    parts: frozenset[str] = frozenset(PARTS)
    public_url: str | None = None
    """Address of the pages as people reach them, for links; None: where we listen."""


class RingingEventStore(EventStore):
    """The event store, which wakes this process's router as soon as events are committed."""

    def __init__(self, engine: Engine, clock: Clock, hub: Hub) -> None:
        super().__init__(engine, clock)
        self._hub = hub

    def insert_group(
        self, batches: Sequence[EventBatch | Arrival], letters: Iterable[DeadLetter] = ()
    ) -> list[Receipt]:
        """Store as :class:`EventStore` does, then ring."""
        receipts = super().insert_group(batches, letters)
        self._hub.ring(Bell.EVENTS)
        return receipts


@dataclass
class Centre:
    """Starts the chosen parts in order and stops them in the reverse one.

    Raises (from :meth:`start`):
        UserError: an address is taken, the database or broker cannot be reached, or a webhook
            has no key; what had been started is stopped again.
    """

    plan: Plan
    clock: Clock
    journal: Journal | None = None
    hub: Hub = field(default_factory=Hub)
    url: str | None = None
    """Address of the pages once started; None without the part ``web``."""
    broker_url: str | None = None
    relay: LiveRelay = field(default_factory=LiveRelay)
    """Live streams that are watched in this process."""
    troubles: Troubles = field(init=False)
    """Which parts of this process cannot store just now, and why."""
    _stack: ExitStack = field(default_factory=ExitStack)

    def __post_init__(self) -> None:
        self.troubles = Troubles(self.clock)

    def start(self) -> None:
        """Start everything; returns when it is ready."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything; work in progress is finished or left to the database."""
        self._stack.close()

    def _start(self) -> None:
        self.plan.settings.data_dir.mkdir(parents=True, exist_ok=True)
        engine = open_engine(database_url(self.plan.settings))
        self._stack.callback(engine.dispose)
        upgrade(engine)
        if "web" in self.plan.parts:
            self._start_web(engine)
        if "router" in self.plan.parts:
            self._start_router(engine)
        if "ingest" in self.plan.parts:
            self._start_ingest(engine)
        if "retention" in self.plan.parts:
            self._start_retention(engine)

    def _start_web(self, engine: Engine) -> None:
        plan = self.plan
        media = open_media(plan.settings)
        listener = self.journal.changes if self.journal is not None else None
        service = AlertService(engine, plan.site, self.clock, hub=self.hub, listener=listener)
        events, tokens = EventStore(engine, self.clock), plan.secrets.nodes
        app = create_app(
            service=service,
            engine=engine,
            site=plan.site,
            secrets=plan.secrets.with_seal_key(plan.settings.seal_key),
            media=media,
            clock=self.clock,
            factor_roles=_factor_roles(plan.settings),
            troubles=self.troubles,
            routers=[
                media_router(events, media, tokens, self.troubles),
                live_door(self.relay, tokens),
                peer_door(self.relay, tokens, self.clock),
                live_router(self.relay),
                discovery_router(self.relay, tokens),
                household_router(self.relay, tokens),
                found_router(self.relay, tokens),
            ],
        )
        server = WebServer(app, host=plan.host, port=plan.port)
        server.start()
        self._stack.callback(server.stop)
        # Streams wait at the doorbell: it must let them go before the server can stop.
        self._stack.callback(self.hub.close)
        self.url = server.url
        book = LinkBook(engine, self.clock, plan.settings.peer_url or reachable(server.url))
        self.relay.elsewhere = Peers(book, tokens, self.clock)
        self._run_slowly("live-links", book.refresh, LINKS_EVERY_S)

    def _start_router(self, engine: Engine) -> None:
        plan = self.plan
        listener = self.journal.changes if self.journal is not None else None
        store = AlertStore(engine, plan.site, self.clock, hub=self.hub, listener=listener)
        base_url = plan.public_url or self.url or f"http://{plan.host}:{plan.port}"
        sending = Sending.open(
            engine, plan.site, plan.secrets, self.clock, base_url=base_url, hub=self.hub
        )
        self._stack.callback(sending.close)
        router = Router(
            engine, plan.site, self.clock, store=store, journal=self.journal, ways=sending.reach
        )
        timers = Timers(engine, self.clock, store=store)
        pulse = Pulse(self.clock)
        self._run("router", pulse.watch("router", router.run_once), Bell.EVENTS)
        # A timer becomes due by the clock, so no ring is news to it.
        self._run("timers", pulse.watch("timers", timers.run_once))
        for name, work in sending.works().items():
            self._run(name, pulse.watch(name, work.run), *work.heeds)
        alarm = Alarm(RingingEventStore(engine, self.clock, self.hub), self.clock)
        self._run_audit(
            Auditor(engine, plan.site, self.clock),
            NodeWatch(engine, plan.site, self.clock),
            alarm,
            pulse,
        )
        self._start_quiet(engine, store, pulse)
        self._start_checkpoints(engine, pulse)
        if plan.settings.heartbeat_url is not None:
            heartbeat = Heartbeat(plan.settings.heartbeat_url, pulse, self.troubles)
            self._stack.callback(heartbeat.close)
            self._run_slowly("heartbeat", heartbeat.run_once, EVERY_S)

    def _start_ingest(self, engine: Engine) -> None:
        plan = self.plan
        self.broker_url = plan.settings.broker
        if self.broker_url is None:
            broker = EmbeddedBroker(plan.broker_host, plan.broker_port)
            broker.start()
            self._stack.callback(broker.stop)
            self.broker_url = broker.url
        subscriber = Subscriber(
            broker_url=self.broker_url,
            county=plan.site.county.id,
            store=RingingEventStore(engine, self.clock, self.hub),
            clock=self.clock,
            # A broker of our own has one ingest, this one; another may serve several replicas.
            share=SHARE if plan.settings.broker is not None else None,
            tls=broker_tls(plan.settings),
            troubles=self.troubles,
        )
        subscriber.start()
        self._stack.callback(subscriber.stop)
        configs = ConfigService(
            broker_url=self.broker_url,
            county=plan.site.county.id,
            store=ConfigStore(engine, self.clock),
            keys=plan.secrets.nodes,
            clock=self.clock,
            tls=broker_tls(plan.settings),
        )
        configs.start()
        self._stack.callback(configs.stop)
        households = HouseholdService(
            broker_url=self.broker_url,
            county=plan.site.county.id,
            households=Households(engine, plan.site, self.clock),
            keys=plan.secrets.nodes,
            clock=self.clock,
            tls=broker_tls(plan.settings),
        )
        households.start()
        self._stack.callback(households.stop)
        if not subscriber.wait_until_up(BROKER_PATIENCE_S):
            _log.warning("the broker does not answer yet; trying on", broker=self.broker_url)

    def _start_retention(self, engine: Engine) -> None:
        store = open_media(self.plan.settings)
        job = RetentionJob(engine, self.plan.site, self.clock, store)
        self._run_slowly("retention", job.run_once, RETENTION_EVERY_S)
        # Stopped first, so that the loop needs not wait for the end of a long sweep.
        self._stack.callback(job.stop)

    def _run(self, name: str, work: Callable[[], int], *heeds: Bell) -> None:
        loop = Loop(name, work, self.hub, heeds=heeds)
        loop.start()
        self._stack.callback(self._end, loop)

    def _start_quiet(self, engine: Engine, store: AlertStore, pulse: Pulse) -> None:
        """What ends by itself, and what is told later: digests, silences, wartime."""
        site = self.plan.site
        digests = Digests(engine, site, self.clock, hub=self.hub)
        silences = SilenceBook(engine, site, self.clock, store=store)
        orders = WartimeOrders(engine, site, self.clock)
        self._run_slowly("digests", pulse.watch("digests", digests.run_once), QUIET_EVERY_S)
        self._run_slowly("silences", pulse.watch("silences", silences.run_once), QUIET_EVERY_S)
        self._run_slowly("wartime", pulse.watch("wartime", orders.run_once), QUIET_EVERY_S)

    def _start_checkpoints(self, engine: Engine, pulse: Pulse) -> None:
        """The end of the audit log, written where its database's owner cannot reach."""
        settings = self.plan.settings
        export = CheckpointExport(
            AuditLog(engine, self.clock),
            self.clock,
            county=self.plan.site.county.id,
            path=settings.audit_checkpoints or settings.data_dir / FILE_NAME,
            url=settings.audit_checkpoint_url,
        )
        self._stack.callback(export.close)
        work = pulse.watch("checkpoints", export.run_once)
        self._run_slowly("checkpoints", work, CHECKPOINT_EVERY_S)

    def _run_audit(self, auditor: Auditor, nodes: NodeWatch, alarm: Alarm, pulse: Pulse) -> None:
        def look() -> int:
            alarm.tell([*nodes.run(), *auditor.run()])
            return 0

        self._run_slowly("auditor", pulse.watch("auditor", look), AUDIT_EVERY_S)

    def _run_slowly(self, name: str, work: Callable[[], int], every_s: float) -> None:
        loop = Loop(name, work, self.hub, look_every_s=every_s, heeds=())
        loop.start()
        self._stack.callback(self._end, loop)

    def _end(self, loop: Loop) -> None:
        loop.ask_to_stop()
        self.hub.ring()
        loop.join()


def _factor_roles(settings: Settings) -> frozenset[Role]:
    is_required = settings.second_factor == "required"
    return frozenset({Role.POLICE, Role.ADMIN}) if is_required else frozenset()


def chosen_parts(text: str | None) -> frozenset[str]:
    """``--only``: comma-separated names of :data:`PARTS`; None means all.

    Raises:
        UserError: a name is not known.
    """
    if text is None:
        return frozenset(PARTS)
    names = frozenset(name.strip() for name in text.split(",") if name.strip())
    unknown = sorted(names - set(PARTS))
    if unknown or not names:
        raise UserError(
            where="--only",
            problem=f"there is no part {unknown[0]!r}" if unknown else "names no part",
            remedy=f"choose from: {', '.join(PARTS)}",
        )
    return names


def free_port(host: str) -> int:
    """A port on ``host`` that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
    return port
