"""What moving things belong together: pieces of one thing, and a car with its plate; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge.events.drafts import Visit
from edge.events.geometry import Box, car_around, centre, holds, overlap, touches
from edge.events.tracker import ObjectClass

NEAR = 0.03
"""Share of the picture that may lie between the pieces of one thing."""
_ON_CAR = 0.4


def split_off(visit: Visit, box: Box, others: Iterable[Visit]) -> None:
    """Note that a new moving thing at ``box`` came out of one that was already there.

    Motion shows a car as bonnet, windscreen and shadow that join and part again; each piece is
    born beside the rest. It stays a piece until it has been away for a while.
    """
    hosts = [
        other
        for other in others
        if other.object_class is ObjectClass.MOVER and touches(other.box, box, reach=NEAR)
    ]
    host = max(hosts, key=lambda other: overlap(other.box, box), default=None)
    if host is None:
        return
    visit.host = host.root()
    if visit.host.areas is not None:
        visit.areas = visit.host.areas.for_part()


def stay_apart(visit: Visit, box: Box, elapsed_s: float) -> None:
    """Count the time that a piece is away from what it split off from."""
    host = visit.host
    if host is not None and (host.gone or not touches(host.box, box, reach=NEAR)):
        visit.alone_s += elapsed_s


def largest_part(visit: Visit, others: Iterable[Visit]) -> Visit | None:
    """The largest piece of a lost thing that goes on near where it was lost."""
    if visit.object_class is not ObjectClass.MOVER:
        return None
    parts = [
        other
        for other in others
        if other.host is visit and other.is_part() and touches(visit.box, other.box, reach=NEAR)
    ]
    return max(parts, key=lambda part: part.box[2] * part.box[3], default=None)


def link(seen: Sequence[tuple[Visit, Box]]) -> None:
    """Tie plates and faces of one picture to the moving things they are on, and to each other."""
    beside: set[Visit] = set()
    for mover, box in seen:
        if mover.object_class is not ObjectClass.MOVER:
            continue
        on_it = [
            visit
            for visit, inner in seen
            if visit.object_class is not ObjectClass.MOVER and _is_on(visit, inner, box)
        ]
        for whole in (mover, mover.root()):
            whole.carries += [visit for visit in on_it if visit not in whole.carries]
        plates = [visit for visit in on_it if visit.object_class is ObjectClass.PLATE]
        if len(plates) > 1:
            beside |= _beside_a_sure_one(plates)
    for visit in beside:
        visit.beside += 1


def _beside_a_sure_one(plates: Sequence[Visit]) -> set[Visit]:
    sure = [visit for visit in plates if visit.surely_read()]
    return {visit for visit in plates if any(other is not visit for other in sure)}


def _is_on(visit: Visit, inner: Box, mover: Box) -> bool:
    if holds(mover, centre(inner)):
        return True
    if visit.object_class is not ObjectClass.PLATE:
        return False
    # A wheel or a shadow of the car: mostly where the car is.
    area = mover[2] * mover[3]
    return area > 0 and overlap(car_around(inner), mover) / area >= _ON_CAR
