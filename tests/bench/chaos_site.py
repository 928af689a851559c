"""The site of chaos: the simulated nodes, one rule that alerts, and a gateway that is told."""

from __future__ import annotations

from edge.simulator.nodes import node_names
from tests.bench.alerts_gateway import NAME
from tests.bench.chaos_clock import CAMERAS_PER_NODE, COUNTY


def site_text(nodes: int, gateway_url: str) -> str:
    """A site file, TOML; alerts are told over an SMS gateway at that address."""
    parts = [
        f'[county]\nid = "{COUNTY}"\nname = "Chaos"\n',
        '[[grids]]\nid = "grid-1"\nname = "Grid"\ntownship = "Town"\nhead = "head"\n',
        '[[people]]\nid = "head"\nname = "Head"\nrole = "grid_head"\ngrid = "grid-1"\n',
        f'[[gateways]]\nid = "{NAME}"\nkind = "sms"\nurl = "{gateway_url}"\nper_minute = 100_000\n',
        # Each notice by itself: gathered into digests they would be fewer.
        "[pace]\ngroup_after = 0\nstorm_after = 0\n",
        # Few alerts: the router's work is to decide about every event, once.
        '[[rules]]\nid = "some"\nkinds = ["plate"]\nplates = ["京A*", "京B*", "京C*"]\n'
        'action = "alert"\n',
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


def secrets_text() -> str:
    """A secrets file, TOML: the phone of the one who is told."""
    return f'[people.head]\nphone = "13800000000"\n[gateways.{NAME}]\n'
