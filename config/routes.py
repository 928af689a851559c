"""The routing tree of a site: which events become alerts, how loud, how soon, from which step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import time
from typing import Annotated, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from config.event import EventKind, Frozen, Name, Severity
from config.holidays import DayName
from config.legal_class import LegalClass
from config.references import known, unique

Text = Annotated[str, StringConstraints(min_length=1, max_length=200, strip_whitespace=True)]
PlatePattern = Annotated[
    str, StringConstraints(pattern=r"^[0-9A-Za-z\u4e00-\u9fff?*·-]{1,24}$", strip_whitespace=True)
]
"""A plate's text, with ``*`` for any characters (also none) and ``?`` for exactly one."""
Step = Literal["duty", "grid_head", "neighbours", "township", "police"]
STEPS: tuple[Step, ...] = ("duty", "grid_head", "neighbours", "township", "police")
"""Names of the rungs of the ladder, lowest first."""
DEEPEST = 8
"""Levels of rules inside rules."""


class Window(Frozen):
    """A span of local time; one that ends at or before its start runs past midnight.

    It belongs to the day on which it starts. Without ``days`` it is every day's.
    """

    days: tuple[DayName, ...] = ()
    after: time = time(0, 0)
    before: time = time(0, 0)


class Rule(Frozen):
    """A node of the routing tree. An absent matcher matches everything.

    The first rule of a level that matches is entered; of the rules inside it again the first
    that matches; when none does, the rule itself answers. What a rule inside another one does
    not set, it has from the one around it. A file without rules gets one that alerts on all
    but ``motion``, and the same answers where no rule matches.
    """

    id: Name
    kinds: tuple[EventKind, ...] = ()
    severities: tuple[Severity, ...] = ()
    """Of the event itself, before the rule makes it louder."""
    cameras: tuple[Name, ...] = ()
    grids: tuple[Name, ...] = ()
    townships: tuple[Text, ...] = ()
    legal_classes: tuple[LegalClass, ...] = ()
    zones: tuple[Name, ...] = ()
    """Zones drawn in the picture, by id."""
    plates: tuple[PlatePattern, ...] = ()
    days: tuple[DayName, ...] = ()
    after: time | None = None
    before: time | None = None
    """Local time window; one that ends before it starts runs past midnight."""
    windows: tuple[Window, ...] = ()
    """Several of them; one must fit."""
    action: Literal["alert", "ignore"] = "alert"
    severity: Severity = Severity.NOTICE
    escalate_after_s: Annotated[int, Field(ge=1, le=86_400)] = 300
    dedup_window_s: Annotated[int, Field(ge=0, le=86_400)] = 300
    first_step: Step = "duty"
    """Where the ladder begins; whoever stands below is not told."""
    also_tell: tuple[Name, ...] = Field(default=(), max_length=20)
    """People told besides those of the first step."""
    rules: tuple[Rule, ...] = ()

    @model_validator(mode="after")
    def _not_too_deep(self) -> Self:
        if self.depth() > DEEPEST:
            raise ValueError(f"rules lie more than {DEEPEST} levels deep")
        return self

    def depth(self) -> int:
        """Levels of rules from here on, at least 1."""
        return 1 + max((rule.depth() for rule in self.rules), default=0)

    def all(self) -> Iterator[Rule]:
        """This rule and every one inside it, in file order."""
        yield self
        for rule in self.rules:
            yield from rule.all()


DEFAULT_RULES = (
    Rule(id="default-ignore-motion", kinds=(EventKind.MOTION,), action="ignore"),
    Rule(id="default-alert"),
)
"""The root: what holds when a site has no rules, and where none matches. All but motion alerts."""
_INHERITED = (
    "action",
    "severity",
    "escalate_after_s",
    "dedup_window_s",
    "first_step",
    "also_tell",
)


@dataclass(frozen=True, slots=True)
class Route:
    """A rule with what it has from those around it: where its alerts go, and how soon.

    ``path`` names the rules from the top down to this one.
    """

    id: str
    path: tuple[str, ...]
    is_alert: bool
    severity: Severity
    escalate_after_s: int
    dedup_window_s: int
    first_step: Step
    also_tell: tuple[str, ...]


def resolve(rules: Iterable[Rule]) -> dict[str, Route]:
    """Every rule of the tree and of the root by its id, with what it inherits filled in."""
    found: dict[str, Route] = {}
    for rule in (*rules, *DEFAULT_RULES):
        _resolve(rule, rule, (), found)
    return found


def _resolve(rule: Rule, given: Rule, path: tuple[str, ...], found: dict[str, Route]) -> None:
    """``given`` holds what the rules around have set; ``rule`` overrules what it sets itself."""
    own = {key: getattr(rule, key) for key in _INHERITED if key in rule.model_fields_set}
    merged = given.model_copy(update=own)
    here = (*path, rule.id)
    found[rule.id] = Route(
        id=rule.id,
        path=here,
        is_alert=merged.action == "alert",
        severity=merged.severity,
        escalate_after_s=merged.escalate_after_s,
        dedup_window_s=merged.dedup_window_s,
        first_step=merged.first_step,
        also_tell=merged.also_tell,
    )
    for inner in rule.rules:
        _resolve(inner, merged, here, found)


def check_rules(rules: Iterable[Rule], names: Mapping[str, frozenset[str]]) -> None:
    """Check the whole tree: ids used once, and names that exist.

    Args:
        names: what exists, by the key of a rule that refers to it.

    Raises:
        ValueError: an id is used twice, or a rule names something that does not exist.
    """
    every = [rule for top in rules for rule in top.all()]
    unique("rules", [rule.id for rule in every])
    for rule in every:
        for key in ("cameras", "grids", "townships", "also_tell"):
            for name in getattr(rule, key):
                known(f"rule {rule.id}: {key}", name, names[key])
