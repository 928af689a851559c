"""One edge node with everything it needs to deliver: worker, outbox, publisher, uploader."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from config.clock import Clock
from config.desired import DesiredConfig
from config.errors import UserError, told_of_disk
from config.event import Event
from config.household import Enrol
from config.logs import get_logger
from config.secrets import Secrets
from config.settings import Settings
from config.site import Camera, FacePolicy, Site
from config.tls import broker_tls
from edge.delivery.config_link import ConfigLink
from edge.delivery.configurator import Configurator
from edge.delivery.evidence import EvidenceStore
from edge.delivery.outbox import Outbox
from edge.delivery.publisher import Publisher
from edge.delivery.uploader import Uploader
from edge.health.node_health import Resources
from edge.health.temperature import hottest_c
from edge.household.household import Household
from edge.household.link import HouseholdLink
from edge.live.agent import LiveAgent
from edge.looking import Vision
from edge.recording.shelf import folder_of
from edge.watching.group import GroupLimits
from edge.worker import WatchedCamera, Worker

_LOG = get_logger(__name__)

OUTBOX_BUDGET_BYTES = 512 * 1024 * 1024
_POLL_S = 0.1


def with_credentials(
    cameras: Sequence[Camera], secrets: Secrets, zone: ZoneInfo
) -> tuple[WatchedCamera, ...]:
    """The cameras as they are watched, with their credentials; ``zone`` is the county's.

    Raises:
        UserError: a camera cannot be watched in the way that it is described.
    """
    return tuple(
        WatchedCamera.of_site(
            camera,
            url=secrets.stream_url(camera.id, camera.url),
            sub_url=camera.sub_url and secrets.stream_url(camera.id, camera.sub_url),
            zone=zone,
        )
        for camera in cameras
    )


def watched_cameras(site: Site, node: str, secrets: Secrets) -> tuple[WatchedCamera, ...]:
    """The cameras of ``node`` with their credentials filled in.

    Raises:
        UserError: the site has no such node, or the node has no camera.
    """
    known = [item.id for item in site.nodes]
    if node not in known:
        raise UserError(
            where="site file",
            field="nodes",
            problem=f"there is no node {node!r}",
            remedy=f"use one of: {', '.join(known)}",
        )
    cameras = with_credentials(site.cameras_of(node), secrets, ZoneInfo(site.county.zone))
    if not cameras:
        raise UserError(
            where="site file",
            field="cameras",
            problem=f"node {node!r} has no camera",
            remedy=f'write node = "{node}" into a camera, or leave this node switched off',
        )
    return cameras


def open_evidence(folder: Path, settings: Settings, clock: Clock) -> EvidenceStore:
    """The evidence in ``folder``, within the budgets of this machine.

    Raises:
        UserError: the folder cannot be used.
    """
    return EvidenceStore(
        folder, settings.evidence_budget_bytes, keep_days=settings.evidence_keep_days, clock=clock
    )


class EdgeNode:
    """Builds a node from the site, runs it, and hands over what waits when it stops.

    What the site file says of the cameras holds until the centre wants something else (see
    :mod:`edge.delivery.configurator`); without a token nothing of the centre can be trusted.

    Args:
        seen: called with each event after it is durable, for somebody who watches.
        sees_faces: ``vision`` looks for faces too.
        compares_faces: it finds landmarks as faces of a household are compared by.
    """

    def __init__(
        self,
        *,
        site: Site,
        node: str,
        secrets: Secrets,
        settings: Settings,
        vision: Vision,
        clock: Clock,
        centre_url: str | None,
        seen: Callable[[Event], None],
        limits: GroupLimits | None = None,
        sees_faces: bool = True,
        compares_faces: bool = True,
    ) -> None:
        self._zone = ZoneInfo(site.county.zone)
        cameras = watched_cameras(site, node, secrets)
        if settings.broker is None:
            raise UserError(
                where="environment",
                field="MENSHEN_BROKER",
                problem="a node needs the broker's address",
                remedy="set MENSHEN_BROKER=mqtt://host:1883",
            )
        token = secrets.nodes.get(node)
        if centre_url is not None and token is None:
            raise UserError(
                where="secrets file",
                field=f"nodes.{node}",
                problem="the node's token for uploading pictures is missing",
                remedy=f'add it below [nodes]: {node} = "…"; the centre must have the same',
            )
        folder = settings.data_dir / "edge" / node
        _make(folder)
        tls = broker_tls(settings)
        self._clock = clock
        self._seen = seen
        self._secrets, self._installed, self._sees_faces = secrets, cameras, sees_faces
        self._household = (
            None
            if token is None
            else Household(
                folder,
                node=node,
                token=token,
                clock=clock,
                settings=settings,
                centre_url=centre_url,
                connect=lambda household: HouseholdLink(
                    household,
                    broker_url=settings.broker or "",
                    county=site.county.id,
                    node=node,
                    key=token,
                    clock=clock,
                    tls=tls,
                ),
            )
        )
        self._serve_homes(cameras)
        self._outbox = Outbox.open(
            folder / "outbox.sqlite", node=node, clock=clock, budget_bytes=OUTBOX_BUDGET_BYTES
        )
        try:
            self._evidence = open_evidence(folder / "evidence", settings, clock)
            self._worker = Worker(
                node=node,
                cameras=cameras,
                vision=vision,
                emit=self._keep,
                evidence=self._evidence,
                clock=clock,
                limits=replace(limits or GroupLimits(), recordings=folder_of(folder)),
                resources=lambda: self._resources(folder),
                faces=self._household if compares_faces else None,
            )
            self._publisher = Publisher(
                outbox=self._outbox,
                broker_url=settings.broker,
                county=site.county.id,
                node=node,
                clock=clock,
                cameras_online=self._worker.cameras_online,
                tls=tls,
            )
            self._configs: ConfigLink | None = None
            if token is not None:
                self._configs = ConfigLink(
                    Configurator(
                        folder / "config", node=node, key=token, clock=clock, apply=self._apply
                    ),
                    broker_url=settings.broker,
                    county=site.county.id,
                    node=node,
                    key=token,
                    clock=clock,
                    tls=tls,
                )
        except BaseException:
            self._outbox.close()
            raise
        self._uploader: Uploader | None = None
        self._live: LiveAgent | None = None
        if centre_url is not None and token is not None:
            self._uploader = Uploader(
                evidence=self._evidence, centre_url=centre_url, node=node, token=token, clock=clock
            )
            self._live = LiveAgent(
                centre_url=centre_url,
                node=node,
                token=token,
                groups=self._worker.groups,
                clock=clock,
                enrol=self._enrol,
            )
            self._worker.on_group = self._live.adopt
        else:
            _LOG.warning("pictures stay on this disk: no --centre given", node=node)

    def _apply(self, document: DesiredConfig | None) -> None:
        """Watch what a document says; None: what the node was installed with."""
        cameras = (
            self._installed
            if document is None
            else with_credentials(document.cameras, self._secrets, self._zone)
        )
        for camera in cameras if not self._sees_faces else ():
            if camera.face is not FacePolicy.OFF:
                raise UserError(
                    where=f"camera {camera.spec.id}",
                    field="face",
                    problem="this node was started without the networks for faces",
                    remedy="let a camera of its site file have another face policy than 'off', "
                    "and start the node again",
                )
        self._serve_homes(cameras)
        self._worker.reconfigure(cameras)

    def _enrol(self, order: Enrol) -> None:
        if self._household is not None:
            self._household.enrol(order)

    def _serve_homes(self, cameras: Sequence[WatchedCamera]) -> None:
        """Tell the household which cameras may recognise it; without a token there is none."""
        homes = [one.spec.id for one in cameras if one.face is FacePolicy.HOUSEHOLD]
        if self._household is not None:
            self._household.serve(homes)
        elif homes:
            _LOG.warning("nobody of a household is recognised without a token", cameras=homes)

    def _keep(self, event: Event) -> None:
        self._outbox.append(event)
        self._seen(event)

    def _resources(self, folder: Path) -> Resources:
        self._evidence.expire()
        disk = shutil.disk_usage(folder)
        return Resources(
            free=disk.free,
            total=disk.total,
            waiting=self._outbox.pending(),
            denied=self._publisher.trouble if self._publisher.is_denied else "",
            temperature_c=hottest_c(),
        )

    def report(self) -> dict[str, Any]:
        """What was done so far (see :meth:`edge.worker.Worker.report`). For any thread.

        ``broker_trouble`` says in words why events do not reach the centre, ``configuration``
        which revision of the centre's is run (0: the site file).
        """
        return {**self._worker.report(), **self._delivery()}

    def _delivery(self) -> dict[str, Any]:
        return {
            "broker_trouble": self._publisher.trouble,
            "configuration": 0 if self._configs is None else self._configs.running,
        }

    def stop(self) -> None:
        """Make :meth:`run` stop watching and hand over. May be called from a signal handler."""
        self._worker.stop()

    def run(self, *, seconds: float | None, drain_s: float) -> dict[str, Any]:
        """Watch; then wait up to ``drain_s`` seconds for receipts and uploads.

        What the centre does not take in that time stays on the disk for the next start. Returns
        the report (see :meth:`edge.worker.Worker.report`) with what is left.
        """
        self._publisher.start()
        try:
            if self._household is not None:
                self._household.start()
            if self._configs is not None:
                self._configs.start()
            if self._uploader is not None:
                self._uploader.start()
            if self._live is not None:
                self._live.start()
            self._worker.run(seconds=seconds)
            self._drain(drain_s)
        finally:
            if self._configs is not None:
                self._configs.stop()
            if self._live is not None:
                self._live.stop()
            if self._uploader is not None:
                self._uploader.stop()
            if self._household is not None:
                self._household.close()
            self._publisher.stop()
            report = self._report()
            self._outbox.close()
        return report

    def _left(self) -> tuple[int, int]:
        uploads = len(self._evidence.waiting()) if self._uploader is not None else 0
        return self._outbox.pending(), uploads

    def _drain(self, seconds: float) -> None:
        until = self._clock.monotonic() + seconds
        never = threading.Event()
        while any(self._left()) and self._clock.monotonic() < until:
            self._clock.wait(never, _POLL_S)

    def _report(self) -> dict[str, Any]:
        return {
            **self._worker.report(),
            **self._delivery(),
            "outbox_epoch": self._outbox.epoch,
            "outbox_highest": self._outbox.highest,
            "outbox_left": self._outbox.pending(),
            "evidence_left": len(self._evidence.waiting()),
            "evidence_dropped": self._evidence.dropped,
        }


def _make(folder: Path) -> None:
    remedy = "set MENSHEN_DATA_DIR to a folder that can be written"
    with told_of_disk(folder, problem="cannot be created", remedy=remedy):
        folder.mkdir(parents=True, exist_ok=True)
