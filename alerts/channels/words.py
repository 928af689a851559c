"""The words of a message: short, with a link; no plate, no face, and little of a home."""

from __future__ import annotations

from dataclasses import dataclass
from zoneinfo import ZoneInfo

from alerts.channels.base import Notification

_SEVERITY_ZH = {"info": "提示", "notice": "注意", "warning": "警告", "critical": "紧急"}

NAMED = 5
"""Alerts of a digest that a message to a group names."""


@dataclass(frozen=True, slots=True)
class Words:
    """``title`` is one line; ``body`` further lines, the link last."""

    title: str
    body: str

    @property
    def text(self) -> str:
        """All of it."""
        return f"{self.title}\n{self.body}"


def words_of(note: Notification, zone: ZoneInfo, *, is_sealed: bool = False) -> Words:
    """What to say; ``is_sealed`` channels can be read by nobody between us and the person.

    Of a home's own camera others learn no more than that something was seen.
    """
    opened = f"{note.opened_at.astimezone(zone):%Y-%m-%d %H:%M:%S %Z}"
    severity = f"{_SEVERITY_ZH[note.severity]} {note.severity}"
    if note.is_test:
        title = "【测试 TEST】门神消息渠道测试，无需处理"
        return Words(title, f"This is a test of a channel; nothing to do.\n{opened}\n{note.link}")
    if note.is_duty:
        title = " ".join(f"【值班 Duty】{note.title_zh} / {note.title_en}".split())
        return Words(title, note.link)
    if note.gathered:
        return _gathered_words(note, severity, opened)
    if note.is_home and not is_sealed:
        zh, en = _home_words(note)
        title = f"【{severity}】{zh} / {en}"
        return Words(title, f"{opened}\n{note.link}")
    # A name may hold a line break; a title is one line.
    title = " ".join(f"【{severity}】{note.title_zh} / {note.title_en}".split())
    return Words(title, f"{note.camera_name} · {note.kind} · {note.state}\n{opened}\n{note.link}")


def _gathered_words(note: Notification, severity: str, opened: str) -> Words:
    """A digest to a group: its loudest alerts by name, and how many more there are."""
    named = note.gathered[:NAMED]
    lines = [
        " ".join(f"【{_SEVERITY_ZH[one.severity]}】{one.title_zh[:60]} · {one.state}".split())
        for one in named
    ]
    more = len(note.gathered) + note.left_out - len(named)
    lines += [f"另有{more}条 / and {more} more"] if more else []
    title = " ".join(f"【{severity}】{note.title_zh} / {note.title_en}".split())
    return Words(title, "\n".join([*lines, opened, note.link]))


def spoken(note: Notification) -> str:
    """What a voice says: no link, no English, nothing of a home."""
    if note.is_test:
        return "这是门神的测试电话，无需处理。"
    if note.is_duty:
        return f"门神值班通知。{note.title_zh}。"
    what = _home_words(note)[0] if note.is_home else note.title_zh
    return f"门神告警，级别{_SEVERITY_ZH[note.severity]}。{what}。请打开门神页面处理。"


def _home_words(note: Notification) -> tuple[str, str]:
    """What others may read of a home: to its owner, and to whoever else is told."""
    if note.is_owners:
        return "您家的摄像机有新告警", "Your camera has a new alert"
    return "有一户家庭的摄像机有新告警", "A home's camera has a new alert"
