"""What a digest is called: where, how many alerts, and of which kinds."""

from __future__ import annotations

from collections.abc import Mapping

from alerts.kind_names import KIND_NAMES
from config.event import EventKind


def digest_title(grid: str, kinds: Mapping[EventKind, int]) -> tuple[str, str]:
    """In Chinese and English, the most frequent kind first; ``grid`` is a name, or empty."""
    order = sorted(kinds.items(), key=lambda pair: (-pair[1], pair[0]))
    total = sum(kinds.values())
    zh = "、".join(f"{KIND_NAMES[kind][0]}{count}" for kind, count in order)
    en = ", ".join(f"{count} {KIND_NAMES[kind][1]}" for kind, count in order)
    where_zh, where_en = (f"{grid}：", f"{grid}: ") if grid else ("", "")
    return f"{where_zh}{total}条告警（{zh}）", f"{where_en}{total} alerts ({en})"


def with_waiting(zh: str, en: str, waiting: int) -> tuple[str, str]:
    """The same title, and how many of its alerts nobody has answered yet."""
    return f"{zh}，{waiting}条待响应", f"{en}, {waiting} unanswered"
