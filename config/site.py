"""The site description: a county's nodes, cameras, grids and people, as strict TOML."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from zoneinfo import ZoneInfo

from pydantic import Field, StringConstraints, ValidationError, model_validator

from config.channel_site import Gateway, Telling, check_telling, ways_in_order
from config.contact_site import Contact
from config.duty import DutyIndex, Leave, Override, check_duty
from config.duty import Roster as Roster
from config.duty import Shift as Shift
from config.errors import UserError
from config.event import Frozen, Name, Share
from config.holidays import Calendar
from config.legal_class import LegalClass as LegalClass
from config.motion_site import MotionHours
from config.oidc_site import Oidc
from config.pace_site import Pace
from config.recording_site import Recording
from config.references import known, unique
from config.retention_site import Retention
from config.routes import Route, Text, check_rules, resolve
from config.routes import Rule as Rule
from config.secrets import holds_login
from config.toml_lines import line_of

Point = tuple[Share, Share]
"""x, y as shares of the picture's width and height."""


class FacePolicy(StrEnum):
    """What a camera may do with faces (design, section 6)."""

    OFF = "off"
    DETECT = "detect"
    HOUSEHOLD = "household"
    WATCH = "watch"


class Gate(StrEnum):
    """When the main stream is decoded (design, section 2)."""

    SUBSTREAM = "substream"
    KEYFRAMES = "keyframes"
    ALWAYS = "always"


class Role(StrEnum):
    """What a person is to the county."""

    HOME_OWNER = "home_owner"
    GRID_WORKER = "grid_worker"
    GRID_HEAD = "grid_head"
    TOWNSHIP = "township"
    POLICE = "police"
    INSTALLER = "installer"
    ADMIN = "admin"


class County(Frozen):
    """The cell of the system that this file describes."""

    id: Name
    name: Text
    zone: str = "Asia/Shanghai"
    contact: Contact | None = None
    """For the notices of cameras that have none of their own."""

    @model_validator(mode="after")
    def _zone_exists(self) -> Self:
        try:
            ZoneInfo(self.zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"no time zone is called {self.zone!r}") from None
        return self


class Node(Frozen):
    """One edge computer."""

    id: Name
    name: Text


class Grid(Frozen):
    """One grid of streets with its head; the smallest area somebody answers for."""

    id: Name
    name: Text
    township: Text
    head: Name
    deputy: Name | None = None
    neighbours: tuple[Name, ...] = ()


class Person(Frozen):
    """Somebody who can be told. Phone and password live in the secrets file, never here."""

    id: Name
    name: Text
    role: Role
    grid: Name | None = None
    tell: tuple[str, ...] | None = None
    """Ways outside the pages, in order; None: as ``[telling]`` says."""


class Zone(Frozen):
    """A polygon inside the picture that something may enter or loiter in."""

    id: Name
    polygon: tuple[Point, ...] = Field(min_length=3, max_length=64)
    loiter_seconds: Annotated[float, Field(gt=0, le=3600)] | None = None


class Line(Frozen):
    """A line inside the picture; ``direction`` is as seen walking from ``start`` to ``end``."""

    id: Name
    start: Point
    end: Point
    direction: Literal["both", "left_to_right", "right_to_left"] = "both"


class Camera(Frozen):
    """One camera, with what the law asks to be known before its pictures are looked at."""

    id: Name
    name: Text
    node: Name
    grid: Name
    url: Annotated[str, StringConstraints(pattern=r"^rtsps?://")]
    sub_url: Annotated[str, StringConstraints(pattern=r"^rtsps?://")] | None = None
    gb_id: Annotated[str, StringConstraints(pattern=r"^\d{20}$")] | None = None
    """GB/T 28181 device id, 20 digits."""
    legal_class: LegalClass
    duty_holder: Text
    purpose: Text
    sign: Text
    """Where the notice that tells people of the camera hangs."""
    contact: Contact | None = None
    """Who answers people that were recorded; None: the county's."""
    retention_days: Annotated[int, Field(ge=1, le=365)] = 30
    face: FacePolicy = FacePolicy.DETECT
    gate: Gate | None = None
    """None: chosen by whether the camera has a sub-stream."""
    owner: Name | None = None
    position: tuple[float, float] | None = None
    """Longitude and latitude in degrees, WGS 84."""
    masks: tuple[tuple[Point, ...], ...] = ()
    zones: tuple[Zone, ...] = ()
    lines: tuple[Line, ...] = ()
    motion: tuple[MotionHours, ...] | None = None
    """When motion without a plate or face is told; None: always, empty: never."""
    recording: Recording | None = None
    """None: only events leave pictures and clips."""

    @model_validator(mode="after")
    def _lawful(self) -> Self:
        for url in (self.url, self.sub_url):
            if url is not None and holds_login(url):
                raise ValueError("credentials do not belong in the site file; use the secrets file")
        if self.recording is not None and self.masks:
            raise ValueError(
                "a camera with masks cannot be recorded: what is recorded is kept as the camera"
                " sends it, with nothing hidden; remove the recording, or hide these parts in the"
                " camera itself and remove the masks"
            )
        if self.legal_class is LegalClass.HOME and self.owner is None:
            raise ValueError("a home camera needs its owner")
        if self.face is FacePolicy.HOUSEHOLD and self.legal_class is not LegalClass.HOME:
            raise ValueError("face policy 'household' is for home cameras only")
        return self


class Webhook(Frozen):
    """An address that is sent every alert and its changes as signed JSON, or a group bot."""

    id: Name
    url: Annotated[str, StringConstraints(pattern=r"^https?://")]
    gather_after: Annotated[int, Field(ge=0, le=10_000)] = 8
    """Messages a minute sent one by one; the rest of the minute goes out as one digest. Of what
    is critical as many more, then one digest every 15 s. 0: everything by itself."""


class Site(Frozen):
    """One county as its operator wrote it down; every reference in it resolves."""

    county: County
    retention: Retention = Retention()
    nodes: tuple[Node, ...] = Field(min_length=1)
    grids: tuple[Grid, ...] = Field(min_length=1)
    people: tuple[Person, ...] = Field(min_length=1)
    cameras: tuple[Camera, ...] = Field(min_length=1)
    calendar: Calendar = Calendar()
    rosters: tuple[Roster, ...] = ()
    wartime_rosters: tuple[Roster, ...] = ()
    """In wartime these replace the rosters of the same grids."""
    overrides: tuple[Override, ...] = ()
    leaves: tuple[Leave, ...] = ()
    rules: tuple[Rule, ...] = ()
    webhooks: tuple[Webhook, ...] = ()
    gateways: tuple[Gateway, ...] = ()
    telling: Telling = Telling()
    pace: Pace = Pace()
    oidc: Oidc | None = None

    @model_validator(mode="after")
    def _retention_is_lawful(self) -> Self:
        for camera in self.cameras:
            bounds = self.retention.of(camera.legal_class)
            if not bounds.min_days <= camera.retention_days <= bounds.max_days:
                raise ValueError(
                    f"camera {camera.id}: retention_days is {camera.retention_days}, but class"
                    f" {camera.legal_class} keeps {bounds.min_days} to {bounds.max_days} days"
                )
            recording = camera.recording
            if recording is not None and recording.keep_days > camera.retention_days:
                raise ValueError(
                    f"camera {camera.id}: its recording is kept for {recording.keep_days} days,"
                    f" but retention_days is {camera.retention_days} (class {camera.legal_class}"
                    f" allows {bounds.max_days} at most)"
                )
        return self

    @model_validator(mode="after")
    def _references_resolve(self) -> Self:
        ids = {
            kind: unique(kind, [item.id for item in getattr(self, kind)])
            for kind in ("nodes", "grids", "people", "cameras", "webhooks", "gateways")
        }
        for camera in self.cameras:
            known(f"camera {camera.id}: node", camera.node, ids["nodes"])
            known(f"camera {camera.id}: grid", camera.grid, ids["grids"])
            known(f"camera {camera.id}: owner", camera.owner, ids["people"])
        for grid in self.grids:
            for name, target in (("head", grid.head), ("deputy", grid.deputy)):
                known(f"grid {grid.id}: {name}", target, ids["people"])
            for neighbour in grid.neighbours:
                known(f"grid {grid.id}: neighbours", neighbour, ids["grids"])
        for person in self.people:
            known(f"person {person.id}: grid", person.grid, ids["grids"])
            check_telling(self.telling, self.gateways, person.id, person.tell)
        rosters = (*self.rosters, *self.wartime_rosters)
        check_duty(rosters, self.overrides, self.leaves, ids["grids"], ids["people"])
        townships = frozenset(grid.township for grid in self.grids)
        check_rules(self.rules, {**ids, "townships": townships, "also_tell": ids["people"]})
        return self

    @cached_property
    def _cameras_by_id(self) -> dict[str, Camera]:
        return {item.id: item for item in self.cameras}

    @cached_property
    def _grids_by_id(self) -> dict[str, Grid]:
        return {item.id: item for item in self.grids}

    @cached_property
    def _people_by_id(self) -> dict[str, Person]:
        return {item.id: item for item in self.people}

    @cached_property
    def _people_by_role(self) -> dict[Role, tuple[Person, ...]]:
        return {role: tuple(p for p in self.people if p.role is role) for role in Role}

    @cached_property
    def duty(self) -> DutyIndex:
        """Rosters, overrides and leave, found by grid, with moments in UTC."""
        zone = ZoneInfo(self.county.zone)
        return DutyIndex.build(zone, self.rosters, self.overrides, self.leaves)

    @cached_property
    def in_wartime(self) -> Site:
        """The site with wartime rosters in place of those of the same grids."""
        if not self.wartime_rosters:
            return self
        grids = {roster.grid for roster in self.wartime_rosters}
        others = tuple(roster for roster in self.rosters if roster.grid not in grids)
        return self.model_copy(update={"rosters": (*self.wartime_rosters, *others)})

    @cached_property
    def routes(self) -> Mapping[str, Route]:
        """Every rule of the routing tree by its id, with what it inherits."""
        return resolve(self.rules)

    def camera(self, camera_id: str) -> Camera | None:
        """The camera of that id, or None."""
        return self._cameras_by_id.get(camera_id)

    def grid(self, grid_id: str) -> Grid | None:
        """The grid of that id, or None."""
        return self._grids_by_id.get(grid_id)

    def person(self, person_id: str) -> Person | None:
        """The person of that id, or None."""
        return self._people_by_id.get(person_id)

    def name_of(self, person_id: str) -> str:
        """How somebody is called; an id that is nobody's any more stays as it is."""
        person = self.person(person_id)
        return person.name if person is not None else person_id

    def people_of(self, role: Role) -> tuple[Person, ...]:
        """Everybody of that role, in file order."""
        return self._people_by_role[role]

    def ways(self, person_id: str) -> tuple[str, ...]:
        """Channels outside the pages by which a person may be told, the first choice first."""
        person = self.person(person_id)
        own = person.tell if person is not None else None
        return ways_in_order(self.telling, self.gateways) if own is None else own

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """As pydantic does it, without the indexes: they belong to what was copied from."""
        copy = super().model_copy(update=update, deep=deep)
        for name, attribute in vars(Site).items():
            if isinstance(attribute, cached_property):
                copy.__dict__.pop(name, None)
        return copy

    def cameras_of(self, node_id: str) -> tuple[Camera, ...]:
        """The cameras that ``node_id`` watches, in file order."""
        return tuple(item for item in self.cameras if item.node == node_id)


def load_site(path: Path) -> Site:
    """Read and check a site file.

    Raises:
        UserError: the file cannot be read, is not TOML, has an unknown or wrong key, or names
            something that does not exist; it names file, line, key and what to do.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            where=str(path),
            problem=f"cannot be read as UTF-8 text ({type(error).__name__})",
            remedy="give the path of a site file, such as config/example_county.toml",
        ) from None
    return parse_site(text, where=str(path))


def parse_site(text: str, *, where: str) -> Site:
    """Check the text of a site file; ``where`` is its name in errors (see :func:`load_site`)."""
    try:
        document: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(
            where=where, problem=f"not valid TOML: {error}", remedy="mend the syntax there"
        ) from None
    try:
        return Site.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        path = tuple(first["loc"])
        raise UserError(
            where=where,
            line=line_of(text, path),
            field=_dotted(path) or None,
            problem=_sentence(first["type"], str(first["msg"])),
            remedy=_remedy(first["type"]),
        ) from None


def _dotted(path: tuple[int | str, ...]) -> str:
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text


def _sentence(kind: str, message: str) -> str:
    if kind == "extra_forbidden":
        return "this key is not known"
    return message.removeprefix("Value error, ")


def _remedy(kind: str) -> str:
    if kind == "extra_forbidden":
        return "check its spelling, or remove it; `menshen config schema` lists every key"
    if kind == "missing":
        return "add this key; `menshen config schema` explains it"
    return "correct the value; `menshen config schema` explains it"
