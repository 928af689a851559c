"""The site that chaos runs its router with: the simulated nodes, and one rule that alerts."""

from __future__ import annotations

from edge.simulator.nodes import node_names
from tests.bench.chaos_clock import CAMERAS_PER_NODE, COUNTY


def site_text(nodes: int) -> str:
    """A site file, TOML."""
    parts = [
        f'[county]\nid = "{COUNTY}"\nname = "Chaos"\n',
        '[[grids]]\nid = "grid-1"\nname = "Grid"\ntownship = "Town"\nhead = "head"\n',
        '[[people]]\nid = "head"\nname = "Head"\nrole = "grid_head"\ngrid = "grid-1"\n',
        # Few alerts: the router's work is to decide about every event, once.
        '[[rules]]\nid = "some"\nkinds = ["plate"]\nplates = ["京A*"]\naction = "alert"\n',
        '[[rules]]\nid = "rest"\naction = "ignore"\n',
    ]
    for node, cameras in node_names(nodes, nodes * CAMERAS_PER_NODE):
        parts.append(f'[[nodes]]\nid = "{node}"\nname = "{node}"\n')
        parts += [_camera(node, f"{node}-cam-{number + 1:02d}") for number in range(cameras)]
    return "\n".join(parts)


def _camera(node: str, camera: str) -> str:
    return (
        f'[[cameras]]\nid = "{camera}"\nname = "{camera}"\nnode = "{node}"\ngrid = "grid-1"\n'
        f'url = "rtsp://127.0.0.1/{camera}"\nlegal_class = "street"\nduty_holder = "Town"\n'
        'purpose = "test"\nsign = "gate"\n'
    )
