"""Applies root causes to the alerts of one transaction, and writes down why each is hidden."""

from __future__ import annotations

from alerts.inhibition.roots import Roots
from alerts.life.state import Command, Fire, State, Suppress, TimerKind
from alerts.store.holding import Held
from alerts.store.work import Work
from alerts.telling.notices import Decision
from config.event import Event, EventKind


def suppress_behind(work: Work, held: Held, root: Held, event: Event | None) -> None:
    """Hide ``held`` behind the trouble that explains it; ``event`` is what raised it, if new."""
    name = f"{root.about.place.camera} {_condition(root)}"
    command = Suppress(root.alert.id, f"explained by {name}")
    relation = "opened" if event is not None else ""
    work.apply(held, command, event=event, relation=relation)
    zh = f"由起因告警 {root.alert.id}（{name}）解释，不单独通知"
    en = f"explained by alert {root.alert.id} ({name}): nobody is told of this one"
    event_id = event.id if event is not None else None
    work.decide(Decision("inhibition", "not told", zh, en, event_id, held.alert.id))


def may_hide(held: Held, root: Held) -> bool:
    """True unless the alert is the root itself, or louder than it."""
    is_louder = held.alert.severity.rank > root.alert.severity.rank
    return held is not root and not is_louder


def hide_what_is_behind(work: Work, roots: Roots, root: Held, event: Event) -> int:
    """Trouble that came before its root is hidden behind it now; returns how many alerts."""
    count = 0
    for held in work.behind(roots.explained(event)):
        is_waiting = held.alert.state is State.SUPPRESSED and held.timer is None
        if may_hide(held, root) and not is_waiting:
            suppress_behind(work, held, root, None)
            count += 1
    return count


def root_keys(roots: Roots, held_kind: EventKind, subject: str, dedup_key: str) -> tuple[str, ...]:
    """Keys of what would explain an alert that is stored; empty for all but trouble."""
    if held_kind is not EventKind.HEALTH:
        return ()
    return roots.explain_trouble(subject, dedup_key.rpartition("|")[2])


def heed_root(work: Work, held: Held, command: Command, keys: tuple[str, ...]) -> Command:
    """What to do when an alert's time behind a root is over: open, or go behind another root."""
    if not isinstance(command, Fire) or command.kind is not TimerKind.RELEASE:
        return command
    root = work.root(keys)
    if root is None or not may_hide(held, root) or held.alert.state is not State.SUPPRESSED:
        return command
    zh = f"仍由起因告警 {root.alert.id} 解释"
    en = f"still explained by alert {root.alert.id}"
    work.decide(Decision("inhibition", "not told", zh, en, None, held.alert.id))
    return Suppress(root.alert.id, f"explained by {root.about.place.camera} {_condition(root)}")


def _condition(held: Held) -> str:
    return held.about.dedup_key.rpartition("|")[2]
