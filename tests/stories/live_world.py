"""A small county with real parts for live view: simulated cameras, an edge node, a centre."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import httpx
from pydantic import SecretStr
from websockets.sync.client import ClientConnection, connect

from alerts.centre import Centre, Plan, free_port
from config.clock import SystemClock
from config.secrets import PersonSecret, Secrets
from config.settings import Settings
from config.site import Site, parse_site
from edge.node import EdgeNode
from edge.simulator.prepare import prepare_file
from edge.simulator.server import RtspServer
from edge.simulator.source import CameraSource
from edge.watching.group import GroupLimits
from models.core import VisionCore
from tests.alerts.web.conftest import form_login

NODE, OTHER_NODE = "node-live", "node-other"
TOKEN = "the-token-of-the-node"
PASSWORD = "a-long-password-for-tests"
PEOPLE = ("head", "other-head", "desk", "owner", "neighbour", "fitter")
_SITE = """
[county]
id = "live"
name = "直播县"

[[nodes]]
id = "node-live"
name = "村委会"

[[grids]]
id = "east"
name = "东"
township = "镇"
head = "head"

[[grids]]
id = "west"
name = "西"
township = "镇"
head = "other-head"
"""
_PERSON = """
[[people]]
id = "{id}"
name = "{id}"
role = "{role}"
{grid}
"""
_CAMERA = """
[[cameras]]
id = "{id}"
name = "{id}"
node = "node-live"
grid = "east"
url = "rtsp://127.0.0.1:{port}/{id}/main"
sub_url = "rtsp://127.0.0.1:{port}/{id}/sub"
legal_class = "{kind}"
duty_holder = "村委会"
purpose = "安全"
sign = "门口"
{more}
"""


def live_site(port: int, *, home_face: str = "detect") -> Site:
    """Three cameras of one node: a village yard, a masked one, somebody's home."""
    return parse_site(live_site_text(port, home_face=home_face), where="live site")


def live_site_text(port: int, *, home_face: str = "detect") -> str:
    """The site file of :func:`live_site`; ``home_face`` is the face policy of the home's camera."""
    roles = ("grid_head", "grid_head", "township", "home_owner", "home_owner", "installer")
    grids = {"head": 'grid = "east"', "other-head": 'grid = "west"'}
    people = "".join(
        _PERSON.format(id=name, role=role, grid=grids.get(name, ""))
        for name, role in zip(PEOPLE, roles, strict=True)
    )
    masks = "masks = [[[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]]]"
    cameras = "".join(
        _CAMERA.format(id=name, port=port, kind=kind, more=more)
        for name, kind, more in (
            ("yard", "village", ""),
            ("masked", "village", masks),
            ("home", "home", f'owner = "owner"\nface = "{home_face}"'),
        )
    )
    return _SITE + people + cameras


@dataclass
class LiveWorld:
    """Everything between a camera and a browser, in one process but for the decode children."""

    folder: Path
    clip: Path
    names: tuple[str, ...] = ("yard", "masked", "home")
    rtsp_port: int = field(default_factory=lambda: free_port("127.0.0.1"))
    node_thread: threading.Thread | None = None
    home_face: str = "detect"
    mirror: Path | None = None
    """Where networks for faces are; None: plates only."""

    def __post_init__(self) -> None:
        one = prepare_file(self.clip, "yard", cache=self.folder / "cache")
        self.sources = [CameraSource(name, one.main, one.sub) for name in self.names]
        self.site = live_site(self.rtsp_port, home_face=self.home_face)
        self.secrets = Secrets(
            people={name: PersonSecret(password=SecretStr(PASSWORD)) for name in PEOPLE},
            nodes={NODE: SecretStr(TOKEN), OTHER_NODE: SecretStr(TOKEN)},
        )
        self.settings = Settings(data_dir=self.folder / "centre")
        self.web_port = free_port("127.0.0.1")
        self.broker_port = free_port("127.0.0.1")
        self.vision = VisionCore.open(
            models_dir=self.folder / "models",
            mirror=self.mirror,
            want=frozenset({"plates"} if self.mirror is None else {"faces"}),
        )

    def start(self) -> None:
        """Cameras, centre, node."""
        self.start_cameras()
        self.start_centre()
        self.start_node()

    def start_cameras(self) -> None:
        """Switch the cameras on."""
        self.rtsp = RtspServer("127.0.0.1", self.rtsp_port, self.sources)
        self.rtsp.start()

    def start_centre(self) -> None:
        """Start the centre on the same port as before."""
        plan = Plan(
            site=self.site,
            secrets=self.secrets,
            settings=self.settings,
            port=self.web_port,
            broker_port=self.broker_port,
        )
        self.centre = Centre(plan, SystemClock())
        self.centre.start()
        assert self.centre.url is not None
        self.url = self.centre.url

    def start_node(self) -> None:
        """Start the edge node."""
        broker = f"mqtt://127.0.0.1:{self.broker_port}"
        self.node = EdgeNode(
            site=self.site,
            node=NODE,
            secrets=self.secrets,
            settings=Settings(
                broker=broker,
                data_dir=self.folder,
                models_dir=self.folder / "models",
                models_mirror=self.mirror,
            ),
            vision=self.vision,
            clock=SystemClock(),
            centre_url=self.url,
            seen=lambda event: None,
            limits=GroupLimits(log_level="error"),
        )
        self.node_thread = threading.Thread(
            target=self.node.run, kwargs={"seconds": None, "drain_s": 0.0}, daemon=True
        )
        self.node_thread.start()

    def stop_node(self) -> None:
        """Stop the edge node, as at a power cut but with its files closed."""
        if self.node_thread is not None:
            self.node.stop()
            self.node_thread.join(120)
            assert not self.node_thread.is_alive()
            self.node_thread = None

    def stop(self) -> None:
        """Stop everything."""
        self.stop_node()
        self.centre.stop()
        self.rtsp.stop()
        self.vision.close()

    def log_in(self, person: str) -> httpx.Client:
        """An HTTP client with that person's session."""
        client = httpx.Client(base_url=self.url, timeout=60)
        answer = form_login(client, person, PASSWORD)
        assert answer.status_code == 303, answer.text
        return client

    def watch(
        self, client: httpx.Client, camera: str, *, origin: str | None = None, **query: str
    ) -> ClientConnection:
        """A viewer's WebSocket."""
        wanted = httpx.QueryParams({"purpose": "a test looks"} | query)
        cookies = "; ".join(f"{name}={value}" for name, value in client.cookies.items())
        return connect(
            f"{self.url.replace('http', 'ws')}/api/v1/cameras/{camera}/live?{wanted}",
            origin=origin or self.url,  # type: ignore[arg-type]
            additional_headers={"Cookie": cookies},
            compression=None,
            max_size=8 * 1024 * 1024,
            open_timeout=60,
        )
