"""Exporting: evidence with watermark and manifest, asked by one person, approved by another."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from PIL import Image, ImageDraw, ImageFont
from sqlalchemy import Engine, Select, insert, select, update

from alerts.seeing.service import AlertView
from alerts.web.schema import exports
from config.clock import Clock
from config.ids import uuid7
from ingest.engine import reading, writing
from ingest.media import MediaStore

MOST_ALERTS = 100
LEFT_OUT = (
    "Only close-ups of the subject are exported. Whole scenes and clips are left out: "
    "bystanders in them would have to be blurred, which this centre cannot do."
)


@dataclass(frozen=True, slots=True)
class Export:
    """One request; ``state`` is ``asked``, ``approved`` or ``refused``."""

    id: str
    alert_ids: tuple[str, ...]
    purpose: str
    case_number: str
    requester: str
    asked_at: datetime
    approver: str | None
    state: str
    decided_at: datetime | None
    manifest_sha256: str | None


class Exports:
    """The requests of one county."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def ask(
        self, alert_ids: tuple[str, ...], *, purpose: str, case_number: str, requester: str
    ) -> Export:
        """File a request."""
        now = self._clock.now()
        with writing(self._engine) as connection:
            export_id = uuid7(now)
            connection.execute(
                insert(exports).values(
                    id=export_id,
                    alert_ids=json.dumps(alert_ids),
                    purpose=purpose,
                    case_number=case_number,
                    requester=requester,
                    asked_at=now,
                    state="asked",
                )
            )
        found = self.find(export_id)
        assert found is not None
        return found

    def decide(self, export_id: str, person: str, *, approves: bool) -> bool:
        """Approve or refuse; False for the requester's own, or one that is decided."""
        table = exports.c
        state = "approved" if approves else "refused"
        with writing(self._engine) as connection:
            result = connection.execute(
                update(exports)
                .where(table.id == export_id, table.state == "asked", table.requester != person)
                .values(state=state, approver=person, decided_at=self._clock.now())
            )
        return result.rowcount == 1

    def seal(self, export_id: str, manifest_sha256: str) -> None:
        """Keep the hash of the manifest that was handed out."""
        with writing(self._engine) as connection:
            connection.execute(
                update(exports)
                .where(exports.c.id == export_id)
                .values(manifest_sha256=manifest_sha256)
            )

    def find(self, export_id: str) -> Export | None:
        """One request."""
        found = self._read(select(exports).where(exports.c.id == export_id))
        return found[0] if found else None

    def all(self) -> list[Export]:
        """The latest 200, newest first."""
        order = exports.c.asked_at.desc(), exports.c.id.desc()
        return self._read(select(exports).order_by(*order).limit(200))

    def _read(self, statement: Select[Any]) -> list[Export]:
        with reading(self._engine) as connection:
            rows = connection.execute(statement).all()
        found = []
        for row in rows:
            values = {name: getattr(row, name) for name in Export.__slots__}
            found.append(Export(**{**values, "alert_ids": tuple(json.loads(row.alert_ids))}))
        return found


def package(export: Export, alerts: list[AlertView], media: MediaStore) -> tuple[bytes, str]:
    """The ZIP of an approved request, and the sha256 of its manifest.

    The same request gives the same bytes: times inside are those of the approval.
    """
    files: dict[str, bytes] = {}
    listed = []
    for alert in alerts:
        taken = []
        for ref in alert.evidence:
            if ref.role != "crop" or media.find(ref.sha256) is None:
                continue
            with media.open(ref.sha256) as opened:
                original = opened.read()
            marked = watermark(original, _mark(export))
            name = f"{alert.id}/{ref.sha256[:16]}.jpg"
            files[name] = marked
            taken.append({"file": name, "sha256": _sha(marked), "original_sha256": _sha(original)})
        listed.append(
            {
                "alert": alert.id,
                "camera": alert.camera_id,
                "camera_name": alert.camera_name,
                "captured_at": alert.captured_at.isoformat(),
                "plate": alert.plate.text if alert.plate is not None else None,
                "files": taken,
                "left_out": len(alert.evidence) - len(taken),
            }
        )
    manifest = _manifest(export, listed)
    return _zip(export, {"manifest.json": manifest, **files}), _sha(manifest)


def watermark(jpeg: bytes, text: str) -> bytes:
    """The picture with ``text`` over its lower edge and faintly across it."""
    image = Image.open(io.BytesIO(jpeg), formats=("JPEG",)).convert("RGB")
    size = max(10, image.width // 48)
    font = ImageFont.load_default(size)
    veil = Image.new("RGBA", image.size)
    pen = ImageDraw.Draw(veil)
    for y in range(size * 2, image.height, size * 7):
        pen.text((size, y), text, font=font, fill=(255, 255, 255, 70))
    pen.rectangle((0, image.height - size * 2, image.width, image.height), fill=(0, 0, 0, 170))
    pen.text((size // 2, image.height - size * 1.7), text, font=font, fill=(255, 255, 255, 255))
    out = io.BytesIO()
    Image.alpha_composite(image.convert("RGBA"), veil).convert("RGB").save(out, "JPEG", quality=90)
    return out.getvalue()


def _mark(export: Export) -> str:
    when = export.decided_at.isoformat(timespec="seconds") if export.decided_at else ""
    return f"{export.id}  {export.requester} / {export.approver}  {when}"


def _manifest(export: Export, listed: Sequence[Mapping[str, object]]) -> bytes:
    body = {
        "export": export.id,
        "case_number": export.case_number,
        "purpose": export.purpose,
        "requester": export.requester,
        "approver": export.approver,
        "asked_at": export.asked_at.isoformat(),
        "approved_at": export.decided_at.isoformat() if export.decided_at else None,
        "note": LEFT_OUT,
        "alerts": listed,
    }
    return json.dumps(body, ensure_ascii=False, indent=2).encode()


def _zip(export: Export, files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    moment = (export.decided_at or export.asked_at).timetuple()[:6]
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, moment), data)
    return out.getvalue()


def _sha(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
