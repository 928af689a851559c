"""A small county with a real database, real alerts and real cameras' events, for web tests."""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass, field
from pathlib import Path

from argon2 import PasswordHasher
from fastapi import FastAPI
from PIL import Image, ImageDraw
from pydantic import SecretStr
from sqlalchemy import Engine

from alerts.deciding.router import Router
from alerts.hub import Hub
from alerts.seeing.service import AlertService, AlertView, Viewer
from alerts.store.applying import AlertStore
from alerts.web.app import create_app
from alerts.web.home.household import household_router
from alerts.web.installer.discovery import discovery_router
from alerts.web.installer.found import found_router
from config.clock import Clock
from config.event import (
    Character,
    Event,
    EventKind,
    EvidenceRef,
    FaceShot,
    HealthReport,
    PlateReading,
    Severity,
)
from config.ids import uuid7
from config.secrets import PersonSecret, Secrets
from config.site import Camera, LegalClass, Person, Role, Site
from config.web_secrets import WebSecrets, new_seal_key
from config.wire import EventBatch, Numbered
from ingest.live import LiveRelay
from ingest.media import DiskStore
from ingest.store import EventStore

PASSWORDS = {
    "wang-fang": "东门-wang-2026",
    "liu-yang": "liu-yang-secret",
    "sun-mei": "sun-mei-secret",
    "li-qiang": "li-qiang-secret",
    "zhou-min": "zhou-min-secret",
    "police-desk": "police-desk-secret",
    "installer": "installer-secret",
    "admin-gao": "admin-gao-secret",
    "admin-lin": "admin-lin-secret",
    "town-chengguan": "town-secret",
}
HASHER = PasswordHasher(time_cost=1, memory_cost=8 * 1024, parallelism=1)
"""Real argon2id, with less memory than in service: the tests log in often."""


@dataclass
class County:
    """The centre of one small county; ``see`` is what its cameras do."""

    engine: Engine
    site: Site
    clock: Clock
    folder: Path
    secrets: Secrets = field(
        default_factory=lambda: Secrets(
            people={name: PersonSecret(password=SecretStr(p)) for name, p in PASSWORDS.items()},
            web=WebSecrets(
                seal_key=SecretStr(new_seal_key()), metrics_token=SecretStr("metrics-token")
            ),
        )
    )

    def __post_init__(self) -> None:
        self.hub = Hub()
        self.service = AlertService(self.engine, self.site, self.clock, hub=self.hub)
        self.events = EventStore(self.engine, self.clock)
        store = AlertStore(self.engine, self.site, self.clock, hub=self.hub)
        self.router = Router(self.engine, self.site, self.clock, store=store)
        self.relay = LiveRelay()
        self.media = DiskStore(self.folder / "media")
        self._epochs: dict[str, tuple[str, int]] = {}

    def app(self) -> FastAPI:
        """A fresh web process on this county's database."""
        return create_app(
            service=self.service,
            engine=self.engine,
            site=self.site,
            secrets=self.secrets,
            media=self.media,
            clock=self.clock,
            hasher=HASHER,
            routers=[
                household_router(self.relay, {}),
                discovery_router(self.relay, {}),
                found_router(self.relay, {}),
            ],
        )

    def viewer(self, person_id: str) -> Viewer:
        """That person's view."""
        person = self.site.person(person_id)
        assert person is not None
        return Viewer(person.id, person.role, person.grid)

    def police(self) -> Viewer:
        """The police desk's view."""
        return self.viewer("police-desk")

    def car(
        self,
        plate: str,
        *,
        camera: str = "east-gate-in",
        colour: str = "blue",
        kind: str = "blue",
        severity: Severity = Severity.NOTICE,
        unsure: int | None = None,
        picture: bytes | None = None,
        evidence: tuple[EvidenceRef, ...] = (),
    ) -> AlertView:
        """A car passes and its plate is read; returns the alert this raised."""
        chances = [0.55 if i == unsure else 0.99 for i in range(len(plate))]
        reading = PlateReading(
            text=plate,
            raw=plate,
            confidence=min(chances),
            characters=tuple(
                Character(text=c, probability=p) for c, p in zip(plate, chances, strict=True)
            ),
            colour=colour,
            plate_kind=kind,
            rows=2 if kind == "yellow_double" else 1,
        )
        return self.see(
            camera,
            EventKind.PLATE,
            plate=reading,
            severity=severity,
            thumbnail=picture or make_jpeg(plate),
            evidence=evidence,
        )

    def face(self, camera: str) -> AlertView:
        """Somebody stands before a camera."""
        return self.see(
            camera,
            EventKind.FACE,
            face=FaceShot(quality=0.8, height_px=120),
            thumbnail=make_jpeg("face"),
        )

    def broken(self, camera: str) -> AlertView:
        """A camera goes black."""
        return self.see(
            camera, EventKind.HEALTH, health=HealthReport(condition="black", active=True)
        )

    def see(self, camera_id: str, kind: EventKind, **body: object) -> AlertView:
        """Store one event as ingest does and route it; returns its alert."""
        camera = self.site.camera(camera_id)
        assert camera is not None
        now = self.clock.now()
        epoch, seq = self._epochs.get(camera.node, (uuid7(now), 0))
        self._epochs[camera.node] = (epoch, seq + 1)
        event = Event.model_validate(
            {
                "id": uuid7(now),
                "visit": uuid7(now),
                "node": camera.node,
                "camera": camera.id,
                "kind": kind,
                "started_at": now,
                "captured_at": now,
                **body,
            }
        )
        numbered = Numbered(seq=seq + 1, event=event)
        self.events.insert(EventBatch(node=camera.node, epoch=epoch, oldest=1, events=(numbered,)))
        before = self.service.position()
        assert self.router.run_once() == 1
        everybody = [self.police(), *(self.viewer(p.id) for p in self.site.people)]
        for viewer in everybody:
            for view in self.service.recent(viewer):
                if view.position > before:
                    return view
        raise AssertionError("the event raised no alert")

    def evidence(self, data: bytes, *, role: str = "scene") -> EvidenceRef:
        """A file as an edge node has uploaded it."""
        sha256 = hashlib.sha256(data).hexdigest()
        with self.media.begin(sha256) as upload:
            upload.write(data)
            upload.finish(declared="image/jpeg")
        return EvidenceRef.model_validate(
            {"sha256": sha256, "media_type": "image/jpeg", "size_bytes": len(data), "role": role}
        )


def make_jpeg(text: str, size: tuple[int, int] = (320, 180)) -> bytes:
    """A small real JPEG that differs by ``text``."""
    image = Image.new("RGB", size, (40, 50, 60))
    ImageDraw.Draw(image).text((20, 20), text.encode("ascii", "replace").decode(), fill="white")
    out = io.BytesIO()
    image.save(out, "JPEG", quality=70)
    return out.getvalue()


def with_second_home(site: Site) -> Site:
    """The example county with one more home, whose pictures are nobody else's."""
    home = site.camera("home-li-qiang")
    assert home is not None
    admins = [
        Person(id=name, name=text, role=Role.ADMIN)
        for name, text in (("admin-gao", "高主任"), ("admin-lin", "林科长"))
    ]
    zhou = Person(id="zhou-min", name="周敏", role=Role.HOME_OWNER, grid="lixiang")
    camera = Camera.model_validate(
        {
            **home.model_dump(),
            "id": "home-zhou-min",
            "name": "周敏家院门",
            "owner": "zhou-min",
            "duty_holder": "周敏",
            "legal_class": LegalClass.HOME,
        }
    )
    return Site.model_validate(
        {
            **site.model_dump(),
            "people": (*site.people, zhou, *admins),
            "cameras": (*site.cameras, camera),
        }
    )
