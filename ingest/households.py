"""Who agreed to be recognised at home, and whom each node may hold and says that it holds."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Connection, Engine, insert, select, update

from config.clock import Clock
from config.household import CONSENT_DAYS, HouseholdList, HouseholdMember, HouseholdReport
from config.ids import uuid7
from config.site import Camera, FacePolicy, Site
from ingest.engine import reading, writing
from ingest.schema import face_consents, face_nodes

LEARNING = timedelta(minutes=5)
"""A consent whose face no node has learnt by then does nothing."""


@dataclass(frozen=True, slots=True)
class Consent:
    """One person's consent; ``state`` is ``asked``, ``enrolled`` or ``refused``."""

    id: str
    owner: str
    label: str
    cameras: tuple[str, ...]
    guardian: str | None
    consent_version: str
    consented_at: datetime
    expires_at: datetime
    enrolled_by: str
    state: str
    deleted_at: datetime | None

    def holds(self, now: datetime) -> bool:
        """True while they may be recognised."""
        return self.deleted_at is None and now < self.expires_at


@dataclass(frozen=True, slots=True)
class NodeFaces:
    """What a node may hold (``revision``), and what it has reported last."""

    node: str
    revision: int
    reported_revision: int | None
    held: frozenset[str]
    problem: str
    reported_at: datetime | None


class Households:
    """The rows of ``face_consents`` and ``face_nodes``; there is no face in either.

    Args:
        site: says which cameras may recognise their household, and whose they are.
    """

    def __init__(self, engine: Engine, site: Site, clock: Clock) -> None:
        self._engine, self._site, self._clock = engine, site, clock

    def consents(self, owner: str) -> list[Consent]:
        """Everybody of a home who ever agreed, oldest first."""
        rows = face_consents.c
        with reading(self._engine) as connection:
            found = connection.execute(
                select(face_consents)
                .where(rows.owner == owner)
                .order_by(rows.consented_at, rows.id)
            ).all()
        return [_consent(row) for row in found]

    def nodes(self) -> dict[str, NodeFaces]:
        """By node: what it may hold and does hold."""
        with reading(self._engine) as connection:
            rows = connection.execute(select(face_nodes)).all()
        return {
            row.node: NodeFaces(
                row.node,
                row.revision,
                row.reported_revision,
                frozenset(json.loads(row.held)),
                row.problem,
                row.reported_at,
            )
            for row in rows
        }

    def ask(
        self,
        *,
        owner: str,
        label: str,
        cameras: Collection[str],
        guardian: str | None,
        consent_version: str,
    ) -> tuple[Consent, dict[str, int]]:
        """Record a consent before anybody's face is on its way.

        Returns:
            The consent, and the revision of each node's list that names it first.
        """
        now = self._clock.now()
        made = Consent(
            id=uuid7(now),
            owner=owner,
            label=label,
            cameras=tuple(sorted(cameras)),
            guardian=guardian,
            consent_version=consent_version,
            consented_at=now,
            expires_at=now + timedelta(days=CONSENT_DAYS),
            enrolled_by=owner,
            state="asked",
            deleted_at=None,
        )
        row = {name: getattr(made, name) for name in Consent.__slots__}
        with writing(self._engine) as connection:
            connection.execute(
                insert(face_consents).values({**row, "cameras": json.dumps(made.cameras)})
            )
            revisions = self._next(connection, made.cameras)
        return made, revisions

    def enrolled(self, member: str) -> bool:
        """Every node has learnt them; False when the consent was withdrawn meanwhile."""
        rows = face_consents.c
        with writing(self._engine) as connection:
            result = connection.execute(
                update(face_consents)
                .where(rows.id == member, rows.deleted_at.is_(None))
                .values(state="enrolled")
            )
        return result.rowcount == 1

    def refused(self, member: str) -> None:
        """A node could not learn them: nothing came of it, and no node may hold them."""
        self._end(face_consents.c.id == member, state="refused")

    def withdraw(self, owner: str, member: str) -> bool:
        """End a consent; False when that home has none of that id that holds."""
        rows = face_consents.c
        return self._end((rows.id == member) & (rows.owner == owner))

    def renew(self, owner: str, member: str, *, consent_version: str) -> bool:
        """Consent again for a year from now, while the earlier one holds."""
        now, rows = self._clock.now(), face_consents.c
        with writing(self._engine) as connection:
            cameras = connection.execute(
                select(rows.cameras).where(
                    rows.id == member,
                    rows.owner == owner,
                    rows.state == "enrolled",
                    rows.deleted_at.is_(None),
                    rows.expires_at > now,
                )
            ).scalar_one_or_none()
            if cameras is None:
                return False
            connection.execute(
                update(face_consents)
                .where(rows.id == member)
                .values(
                    consented_at=now,
                    expires_at=now + timedelta(days=CONSENT_DAYS),
                    consent_version=consent_version,
                )
            )
            self._next(connection, json.loads(cameras))
        return True

    def lists(self) -> list[HouseholdList]:
        """Whom each node may hold now: consents that hold, at cameras whose policy allows it."""
        now = self._clock.now()
        with reading(self._engine) as connection:
            nodes = connection.execute(select(face_nodes.c.node, face_nodes.c.revision)).all()
            mine = face_consents.c
            # Who was asked for is learnt within a moment, or the centre died meanwhile.
            is_due = (mine.state == "enrolled") | (mine.consented_at > now - LEARNING)
            rows = connection.execute(
                select(face_consents).where(
                    mine.deleted_at.is_(None), mine.expires_at > now, is_due
                )
            ).all()
        consents = [_consent(row) for row in rows]
        return [
            HouseholdList(
                node=row.node, revision=row.revision, members=self._members(row.node, consents)
            )
            for row in nodes
        ]

    def record(self, report: HouseholdReport) -> None:
        """Keep a node's newest report."""
        values: dict[str, object] = {
            "reported_revision": report.revision,
            "held": json.dumps(report.held),
            "problem": report.problem.replace("\0", ""),
            "reported_at": self._clock.now(),
        }
        # A node that has heeded more than we have said (after a restored backup) would ignore our
        # lists; one above its own makes it forget what we know nothing of.
        ahead = report.revision + 1
        mine = face_nodes.c
        with writing(self._engine) as connection:
            revision = connection.execute(
                select(mine.revision).where(mine.node == report.node).with_for_update()
            ).scalar_one_or_none()
            if revision is None:
                connection.execute(
                    insert(face_nodes).values(node=report.node, revision=ahead, **values)
                )
                return
            if revision < report.revision:
                values["revision"] = ahead
            connection.execute(update(face_nodes).where(mine.node == report.node).values(**values))

    def _members(self, node: str, consents: Iterable[Consent]) -> tuple[HouseholdMember, ...]:
        members = []
        for consent in consents:
            cameras = tuple(
                name
                for name in consent.cameras
                if (camera := self._site.camera(name)) is not None
                and camera.node == node
                and recognises(camera, consent.owner)
            )
            if cameras:
                members.append(
                    HouseholdMember(id=consent.id, cameras=cameras, expires_at=consent.expires_at)
                )
        return tuple(members)

    def _end(self, which: ColumnElement[bool], **values: object) -> bool:
        rows = face_consents.c
        with writing(self._engine) as connection:
            ended = connection.execute(
                select(rows.id, rows.cameras).where(which, rows.deleted_at.is_(None))
            ).all()
            for row in ended:
                connection.execute(
                    update(face_consents)
                    .where(rows.id == row.id)
                    .values(deleted_at=self._clock.now(), **values)
                )
                self._next(connection, json.loads(row.cameras))
        return bool(ended)

    def _next(self, connection: Connection, cameras: Iterable[str]) -> dict[str, int]:
        """Give the lists of these cameras' nodes their next revision."""
        found = (self._site.camera(name) for name in cameras)
        nodes = sorted({camera.node for camera in found if camera is not None})
        revisions = {}
        for node in nodes:
            revision = connection.execute(
                select(face_nodes.c.revision).where(face_nodes.c.node == node).with_for_update()
            ).scalar_one_or_none()
            revisions[node] = (revision or 0) + 1
            if revision is None:
                connection.execute(
                    insert(face_nodes).values(node=node, revision=1, held="[]", problem="")
                )
            else:
                connection.execute(
                    update(face_nodes)
                    .where(face_nodes.c.node == node)
                    .values(revision=revisions[node])
                )
        return revisions


def recognises(camera: Camera, owner: str) -> bool:
    """True when this home's own camera may recognise its household."""
    return camera.face is FacePolicy.HOUSEHOLD and camera.owner == owner


def known_members(
    connection: Connection, members: Collection[str], now: datetime
) -> dict[str, tuple[str, frozenset[str]]]:
    """Of these, whose consent holds now: whose home they are of, and the cameras it is for."""
    rows = face_consents.c
    found = connection.execute(
        select(rows.id, rows.owner, rows.cameras).where(
            rows.id.in_(members),
            rows.state == "enrolled",
            rows.deleted_at.is_(None),
            rows.expires_at > now,
        )
    )
    return {row.id: (row.owner, frozenset(json.loads(row.cameras))) for row in found}


def _consent(row: object) -> Consent:
    values = {name: getattr(row, name) for name in Consent.__slots__}
    return Consent(**{**values, "cameras": tuple(json.loads(values["cameras"]))})
