"""Tells a person at the terminal what happens, event by event, and sums it up at the end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from config.clock import local_text
from config.event import Event
from config.site import Site
from demo.desk import Desk, logins_of_interest
from demo.journal import Line
from demo.summary import Summary

_KINDS = {
    "plate": "车牌 plate",
    "face": "人脸 face",
    "motion": "移动 motion",
    "line": "越线 line",
    "zone": "入区 zone",
    "loiter": "徘徊 loitering",
    "health": "设备 health",
    "shed": "溢出 shed",
}
_CHANGES = {
    "opened": ("bold yellow", "告警 alert"),
    "escalated": ("bold red", "升级 escalated"),
    "acknowledged": ("bold green", "接警 acknowledged"),
    "reopened": ("bold red", "重开 reopened"),
    "closed": ("green", "办结 closed"),
}


class Narrator:
    """Prints to ``console``; ``load`` fetches a stored event by its id."""

    def __init__(self, console: Console, site: Site, load: Callable[[str], Event]) -> None:
        self._console = console
        self._site = site
        self._load = load

    def welcome(self, desk: Desk) -> None:
        """Where the page is and who may log in."""
        print_ = self._console.print
        print_()
        print_(f"[bold]门神 Menshen[/]  {desk.site.county.name}  →  [bold cyan]{desk.address}[/]")
        for name, account, password in logins_of_interest(desk):
            print_(f"  {name}: user [bold]{account}[/]  password [bold]{password}[/]")
        print_()

    def tell(self, line: Line) -> None:
        """Print a line of the journal; first revisions and changes of alerts only."""
        if line["line"] == "event" and line["revision"] == 0:
            self._say(line["at"], "cyan", "事件 event", line["camera"], self._about_event(line))
        elif line["line"] == "alert" and line["what"] in _CHANGES:
            style, word = _CHANGES[line["what"]]
            self._say(line["at"], style, word, line["camera"], self._about_alert(line))

    def sum_up(self, summary: Summary) -> None:
        """The numbers of the whole run as a table."""
        table = Table(title="小结 Summary", title_justify="left", show_header=False)
        for name, value in summary.model_dump().items():
            if name != "missing_models":
                table.add_row(name.replace("_", " "), "–" if value is None else str(value))
        self._console.print(table)
        for name in summary.missing_models:
            self._console.print(f"[yellow]Ran without {name}.[/]")

    def _say(self, at: str, style: str, word: str, camera_id: str, about: str) -> None:
        camera = self._site.camera(camera_id)
        text = Text(local_text(datetime.fromisoformat(at)), style="dim")
        text.append(f"  {word}", style=style)
        text.append(f"  {camera.name if camera else camera_id}  {about}", style="default")
        self._console.print(text, soft_wrap=True)

    def _about_event(self, line: Line) -> str:
        event = self._load(line["event_id"])
        words = _KINDS[line["kind"]]
        if event.plate is not None:
            words += f"  {event.plate.text}  weakest character {event.plate.confidence:.2f}"
        elif event.face is not None:
            words += f"  {event.face.height_px} px high, quality {event.face.quality:.2f}"
        elif event.health is not None:
            words += f"  {event.health.condition}{'' if event.health.active else ' (over)'}"
        return words

    def _about_alert(self, line: Line) -> str:
        words = f"{_KINDS.get(line['kind'], line['kind'])}  {line['severity']}"
        told = [self._name(person) for person in line["told"]]
        if line["what"] == "acknowledged":
            words += f"  by {self._name(line['acked_by'])}"
        elif told:
            words += f"  → {', '.join(told)}"
        if "committed_to_alerted_ms" in line:
            words += f"  ({line['committed_to_alerted_ms']:.0f} ms after the event was stored)"
        return words

    def _name(self, person_id: str) -> str:
        person = self._site.person(person_id)
        return person.name if person else person_id
