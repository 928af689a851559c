"""Lays out the demo's working folder: a site on free ports, fresh secrets, the processes' files."""

from __future__ import annotations

import json
import re
import secrets as randomness
import socket
from dataclasses import dataclass, field
from pathlib import Path

from config.errors import UserError
from config.settings import Settings
from config.site import Role, Site, parse_site
from config.web_secrets import new_seal_key

EXAMPLE_SITE = Path(__file__).resolve().parent.parent / "config" / "example_county.toml"
_EXAMPLE_RTSP = "rtsp://127.0.0.1:8554/"
_READABLE = "abcdefghjkmnpqrstuvwxyz23456789"


@dataclass(frozen=True, slots=True)
class Desk:
    """Where everything of one demo lies, and on which ports it listens."""

    folder: Path
    site: Site
    rtsp_port: int
    web_port: int
    broker_port: int
    passwords: dict[str, str] = field(repr=False)
    """Person id → password for the page."""

    @property
    def site_file(self) -> Path:
        return self.folder / "site.toml"

    @property
    def secrets_file(self) -> Path:
        return self.folder / "secrets.toml"

    @property
    def truth_file(self) -> Path:
        return self.folder / "truth.jsonl"

    @property
    def events_log(self) -> Path:
        return self.folder / "events.jsonl"

    @property
    def address(self) -> str:
        """Where the page is."""
        return f"http://127.0.0.1:{self.web_port}"

    def log(self, name: str) -> Path:
        """Where the output of the process ``name`` goes."""
        return self.folder / f"{name}.log"

    def report(self, node: str) -> Path:
        """Where an edge node writes what it did."""
        return self.folder / f"{node}.report.json"

    def data_dir(self, name: str) -> Path:
        """State folder of the process ``name``."""
        return self.folder / "data" / name

    def environment(self, name: str, settings: Settings) -> dict[str, str]:
        """Environment of the process ``name``: its own state, the shared broker and database."""
        variables = {"MENSHEN_DATA_DIR": str(self.data_dir(name)), "COLUMNS": "200"}
        if name != "centre":
            variables["MENSHEN_BROKER"] = settings.broker or f"mqtt://127.0.0.1:{self.broker_port}"
        return variables


def lay_out(folder: Path, *, web_port: int | None, escalate_after_s: int) -> Desk:
    """Write the example county and fresh secrets into ``folder`` and choose free ports.

    Its cameras are moved to a free RTSP port, so that two demos can run side by side, and its
    rules escalate after ``escalate_after_s`` seconds.

    Raises:
        UserError: ``web_port`` is taken, or the folder cannot be written.
    """
    if web_port is not None and not _is_free(web_port):
        raise UserError(
            where=f"port {web_port}",
            problem="is used by another program",
            remedy="stop that program, or choose another with --port",
        )
    rtsp_port, own_web_port, broker_port = _free_ports(3)
    text = EXAMPLE_SITE.read_text(encoding="utf-8")
    text = text.replace(_EXAMPLE_RTSP, f"rtsp://127.0.0.1:{rtsp_port}/")
    text = re.sub(r"escalate_after_s = \d+", f"escalate_after_s = {escalate_after_s}", text)
    site = parse_site(text, where=str(EXAMPLE_SITE))
    desk = Desk(
        folder=folder.resolve(),
        site=site,
        rtsp_port=rtsp_port,
        web_port=web_port or own_web_port,
        broker_port=broker_port,
        passwords={person.id: _password() for person in site.people},
    )
    try:
        desk.folder.mkdir(parents=True, exist_ok=True)
        desk.site_file.write_text(text, encoding="utf-8")
        desk.secrets_file.touch(mode=0o600)
        desk.secrets_file.write_text(_secrets_text(desk), encoding="utf-8")
    except OSError as error:
        raise UserError(
            where=str(folder),
            problem=f"cannot be written ({type(error).__name__})",
            remedy="choose another folder with --keep",
        ) from None
    return desk


def _secrets_text(desk: Desk) -> str:
    lines = ["# Made for this demo only.", "[nodes]"]
    lines += [f"{node.id} = {json.dumps(randomness.token_urlsafe(24))}" for node in desk.site.nodes]
    lines += ["[web]", f"seal_key = {json.dumps(new_seal_key())}"]
    for person, password in desk.passwords.items():
        lines += [f"[people.{person}]", f"password = {json.dumps(password)}"]
    return "\n".join(lines) + "\n"


def _password() -> str:
    """Short enough to type, from 31 characters that are not mistaken for each other."""
    return "".join(randomness.choice(_READABLE) for _ in range(10))


def _free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    try:
        for probe in probes:
            probe.bind(("127.0.0.1", 0))
        return [int(probe.getsockname()[1]) for probe in probes]
    finally:
        for probe in probes:
            probe.close()


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def logins_of_interest(desk: Desk) -> list[tuple[str, str, str]]:
    """(name, person id, password) of one person per role worth logging in as."""
    shown: list[tuple[str, str, str]] = []
    for role in (Role.POLICE, Role.GRID_HEAD, Role.HOME_OWNER):
        person = next((item for item in desk.site.people if item.role is role), None)
        if person is not None:
            shown.append((person.name, person.id, desk.passwords[person.id]))
    return shown
