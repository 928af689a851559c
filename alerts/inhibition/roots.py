"""Which trouble explains which: cameras behind a node, nodes of an area without power."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from config.event import Event, EventKind
from config.site import Grid, Node, Site

NODE_SILENT = "node_silent"
"""Condition of a node that the centre does not hear of any more."""
POWER_CUT = "power_cut"
"""Condition of an area most of whose nodes were lost at once."""
SWITCH_DOWN = "offline"
"""Condition with which a node tells that most of its cameras were lost at once."""
LATE = timedelta(minutes=15)
"""Trouble this much older than its root may still be explained by it: what lies behind a dead
switch or a battery goes first. What was broken before that has a cause of its own."""
GRACE = timedelta(minutes=3)
"""How long what was hidden waits for its own recovery after the root has ended: cameras start
more slowly than the node that watches them."""
_TOWNSHIP, _GRID = "power-town--", "power-grid--"
_NAME_LIMIT = 63


@dataclass(frozen=True, slots=True)
class Area:
    """Nodes that share a supply: those of one grid, or of one township.

    ``subject`` stands in the camera field of an event about it. ``grid`` is the one whose
    people are told; for a township the first in file order.
    """

    subject: str
    name: str
    grid: str
    nodes: tuple[str, ...]


@dataclass(frozen=True)
class Roots:
    """What the site knows of causes; every answer is a lookup."""

    site: Site

    def explain(self, event: Event) -> tuple[str, ...]:
        """De-duplication keys of the alerts that would explain this one, the widest cause first."""
        if event.health is None:
            return ()
        return self.explain_trouble(event.camera, event.health.condition)

    def explain_trouble(self, subject: str, condition: str) -> tuple[str, ...]:
        """The same for a condition of a camera, or of a node."""
        camera = self.site.camera(subject)
        if camera is not None:
            node = camera.node
            own = (health_key(node, NODE_SILENT), health_key(node, SWITCH_DOWN))
            return (*self._area_keys(node), *own)
        if subject in self._nodes and condition in (NODE_SILENT, SWITCH_DOWN):
            return self._area_keys(subject)
        return ()

    def explained(self, event: Event) -> tuple[str, ...]:
        """Subjects (cameras and nodes) whose trouble this event explains; empty for most."""
        if event.health is None or self.site.camera(event.camera) is not None:
            return ()
        condition = event.health.condition
        if event.camera in self._nodes and condition in (NODE_SILENT, SWITCH_DOWN):
            return self._cameras_of(event.camera)
        area = self.area(event.camera)
        if area is None or condition != POWER_CUT:
            return ()
        return (*area.nodes, *(name for node in area.nodes for name in self._cameras_of(node)))

    def lock_names(self, event: Event) -> tuple[str, ...]:
        """What two routers must not decide about at once: the node, or every node of an area."""
        if event.health is None:
            return ()
        camera = self.site.camera(event.camera)
        area = self.area(event.camera)
        if area is not None:
            return tuple(f"root|{node}" for node in area.nodes)
        return (f"root|{camera.node if camera is not None else event.camera}",)

    def area(self, subject: str) -> Area | None:
        """The area that ``subject`` stands for."""
        return self._by_subject.get(subject)

    @cached_property
    def areas(self) -> tuple[Area, ...]:
        """Townships and then grids, each with the nodes in it; those without nodes are left out."""
        towns: dict[str, Grid] = {}
        for grid in self.site.grids:
            towns.setdefault(grid.township, grid)
        found = [
            Area(_subject(_TOWNSHIP, first), town, first.id, self._nodes_in(town, None))
            for town, first in towns.items()
        ]
        found += [
            Area(_subject(_GRID, grid), grid.name, grid.id, self._nodes_in(None, grid.id))
            for grid in self.site.grids
        ]
        return tuple(area for area in found if area.nodes)

    def grid_of_node(self, node: str) -> Grid | None:
        """The grid in which most of the node's cameras hang; None when it has none."""
        return self._grids.get(node)

    @cached_property
    def _nodes(self) -> dict[str, Node]:
        return {node.id: node for node in self.site.nodes}

    @cached_property
    def _cameras(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for camera in self.site.cameras:
            found.setdefault(camera.node, []).append(camera.id)
        return {node: tuple(names) for node, names in found.items()}

    @cached_property
    def _grids(self) -> dict[str, Grid]:
        counted: dict[str, Counter[str]] = {}
        for camera in self.site.cameras:
            counted.setdefault(camera.node, Counter())[camera.grid] += 1
        found = {
            node: self.site.grid(grids.most_common(1)[0][0]) for node, grids in counted.items()
        }
        return {node: grid for node, grid in found.items() if grid is not None}

    @cached_property
    def _by_subject(self) -> dict[str, Area]:
        return {area.subject: area for area in self.areas}

    @cached_property
    def _areas_of(self) -> dict[str, tuple[Area, ...]]:
        found: dict[str, tuple[Area, ...]] = {}
        for area in self.areas:
            for node in area.nodes:
                found[node] = (*found.get(node, ()), area)
        return found

    def _area_keys(self, node: str) -> tuple[str, ...]:
        areas = self._areas_of.get(node, ())
        return tuple(health_key(area.subject, POWER_CUT) for area in areas)

    def _cameras_of(self, node: str) -> tuple[str, ...]:
        return self._cameras.get(node, ())

    def _nodes_in(self, township: str | None, grid_id: str | None) -> tuple[str, ...]:
        return tuple(
            node
            for node, grid in self._grids.items()
            if grid.id == grid_id or grid.township == township
        )


def health_key(subject: str, condition: str) -> str:
    """De-duplication key of ``subject``'s condition, as :func:`alerts.store.records.dedup_key`."""
    return f"{EventKind.HEALTH}|{subject}||{condition}"


def lock_names(roots: Roots, batch: Iterable[Event]) -> set[str]:
    """Everything about causes that a batch of events must hold."""
    return {name for event in batch for name in roots.lock_names(event)}


def _subject(mark: str, grid: Grid) -> str:
    """A grid id too long to carry the mark is cut: the subject is looked up, never parsed."""
    return f"{mark}{grid.id}"[:_NAME_LIMIT]


_KEPT: dict[int, Roots] = {}
_MOST_KEPT = 8


def roots_of(site: Site) -> Roots:
    """The causes of one site, computed once per site object."""
    found = _KEPT.get(id(site))
    if found is None or found.site is not site:
        if len(_KEPT) >= _MOST_KEPT:
            _KEPT.clear()
        found = _KEPT[id(site)] = Roots(site)
    return found


def grid_of_equipment(site: Site, subject: str) -> Grid | None:
    """The grid whose people mend the node or area that ``subject`` stands for."""
    roots = roots_of(site)
    area = roots.area(subject)
    return site.grid(area.grid) if area is not None else roots.grid_of_node(subject)


def equipment_title(site: Site, subject: str) -> tuple[str, str] | None:
    """What an alert about a node or an area is called; None for everything else."""
    if site.camera(subject) is not None:
        return None
    area = roots_of(site).area(subject)
    if area is not None:
        return (
            f"{area.name}：多个节点同时失联，可能停电",
            f"{area.name}: many nodes lost at once, perhaps a power cut",
        )
    node = next((node for node in site.nodes if node.id == subject), None)
    if node is None:
        return None
    return f"{node.name}：节点异常", f"{node.name}: trouble of the node"
