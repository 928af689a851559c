"""Finds nodes and areas that the centre does not hear of any more, for the alarm to tell of."""

from __future__ import annotations

from sqlalchemy import Engine, select

from alerts.auditing.auditor import Silence
from alerts.inhibition.losses import Sign, lost_nodes, outages
from alerts.inhibition.roots import roots_of
from config.clock import Clock, local_text
from config.site import Site
from ingest.engine import reading
from ingest.schema import presence


class NodeWatch:
    """Reads the signs of life of one database; changes nothing."""

    def __init__(self, engine: Engine, site: Site, clock: Clock) -> None:
        self._engine = engine
        self._roots = roots_of(site)
        self._clock = clock

    def run(self) -> list[Silence]:
        """Every node that is gone and every area that has lost most of its nodes, areas first."""
        now = self._clock.now()
        signs = self._signs()
        found = []
        for outage in outages(self._roots, signs, now):
            names = ", ".join(outage.lost)
            problem = f"{len(outage.lost)} of {len(outage.area.nodes)} nodes lost at once ({names})"
            found.append(Silence(outage.area.name, problem, outage.area.subject, "power_cut"))
        for node, since in lost_nodes(signs, now).items():
            problem = f"nothing heard of it since {local_text(since)}"
            found.append(Silence(f"node {node}", problem, node, "node_silent"))
        return found

    def _signs(self) -> dict[str, Sign]:
        """Of nodes that the site lists; what an old site left behind is nobody's concern."""
        known = {node.id for node in self._roots.site.nodes}
        with reading(self._engine) as connection:
            rows = connection.execute(select(presence)).all()
        return {
            row.node: Sign(row.state, row.received_at, row.changed_at)
            for row in rows
            if row.node in known
        }
