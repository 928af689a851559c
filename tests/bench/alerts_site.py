"""A county of full size, made by counting: 1,200 people, 359 grids, 2,403 cameras."""

from __future__ import annotations

from datetime import datetime, time

from config.event import Event, EventKind, PlateReading
from config.ids import uuid7
from config.pace_site import Pace
from config.site import (
    Camera,
    County,
    Grid,
    LegalClass,
    Node,
    Person,
    Role,
    Roster,
    Shift,
    Site,
)

GRIDS = 359
CAMERAS = 2403
PEOPLE = 1200
NODES = 151
_TOWNSHIPS = 20
_WEEK = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


def full_site() -> Site:
    """Each grid has a head, two workers who take turns, and six or seven cameras."""
    people = _staff()
    owners = [
        Person(id=f"owner-{number}", name=f"户主{number}", role=Role.HOME_OWNER)
        for number in range(PEOPLE - len(people))
    ]
    return Site(
        county=County(id="bench", name="基准县"),
        nodes=tuple(Node(id=f"node-{number}", name=f"节点{number}") for number in range(NODES)),
        grids=tuple(_grid(number) for number in range(GRIDS)),
        people=(*people, *owners),
        cameras=tuple(_camera(number, len(owners)) for number in range(CAMERAS)),
        rosters=tuple(_roster(number) for number in range(GRIDS)),
        # Every alert is told by itself: gathering them into digests would be less work.
        pace=Pace(group_after=0, storm_after=0),
    )


def plate_event(site: Site, number: int, moment: datetime) -> Event:
    """The ``number``-th passing: each of another plate, so that each is an alert of its own."""
    camera = site.cameras[number * 7 % len(site.cameras)]
    own = uuid7(moment)
    text = f"冀A{number:06d}"
    return Event(
        id=own,
        visit=own,
        node=camera.node,
        camera=camera.id,
        kind=EventKind.PLATE,
        started_at=moment,
        captured_at=moment,
        plate=PlateReading(
            text=text, raw=text, confidence=0.9, characters=(), colour="green", plate_kind="green"
        ),
    )


def _staff() -> list[Person]:
    people = []
    for number in range(GRIDS):
        grid = f"grid-{number}"
        people.append(
            Person(id=f"head-{number}", name=f"网格长{number}", role=Role.GRID_HEAD, grid=grid)
        )
        for turn in "ab":
            worker = f"worker-{number}-{turn}"
            people.append(Person(id=worker, name=worker, role=Role.GRID_WORKER, grid=grid))
    for number in range(_TOWNSHIPS):
        own = f"grid-{number}"
        people.append(
            Person(id=f"town-{number}", name=f"乡镇{number}", role=Role.TOWNSHIP, grid=own)
        )
    people += [Person(id=f"police-{n}", name=f"值班台{n}", role=Role.POLICE) for n in range(3)]
    people += [Person(id=f"admin-{n}", name=f"管理员{n}", role=Role.ADMIN) for n in range(2)]
    return people


def _grid(number: int) -> Grid:
    return Grid(
        id=f"grid-{number}",
        name=f"网格{number}",
        township=f"乡镇{number % _TOWNSHIPS}",
        head=f"head-{number}",
        neighbours=(f"grid-{(number + 1) % GRIDS}", f"grid-{(number - 1) % GRIDS}"),
    )


def _roster(number: int) -> Roster:
    people = (f"worker-{number}-a", f"worker-{number}-b")
    day = Shift(people=people, days=_WEEK, start=time(8), end=time(20), rotate=True)
    night = Shift(people=people[::-1], days=_WEEK, start=time(20), end=time(8), rotate=True)
    return Roster(grid=f"grid-{number}", shifts=(day, night))


def _camera(number: int, owners: int) -> Camera:
    is_home = number < owners
    return Camera(
        id=f"camera-{number}",
        name=f"摄像机{number}",
        node=f"node-{number % NODES}",
        grid=f"grid-{number % GRIDS}",
        url=f"rtsp://camera-{number}.example/main",
        legal_class=LegalClass.HOME if is_home else LegalClass.STREET,
        duty_holder="基准县",
        purpose="测量",
        sign="路口",
        owner=f"owner-{number}" if is_home else None,
    )
