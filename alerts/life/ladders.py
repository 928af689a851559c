"""The values of a ladder: where an alert happened, its rungs, and who stands on each."""

from __future__ import annotations

from dataclasses import dataclass

from config.legal_class import LegalClass


@dataclass(frozen=True, slots=True)
class Place:
    """Where an alert happened; a camera that the site does not know has neither grid nor owner."""

    camera: str
    grid: str | None
    owner: str | None
    legal_class: LegalClass | None

    @property
    def is_home(self) -> bool:
        """True when the pictures belong to a household."""
        return self.legal_class is LegalClass.HOME


@dataclass(frozen=True, slots=True)
class HomeTerms:
    """Whom a home lets know when it is silent; by default nobody.

    ``called``: the home itself called for help about this alert, which opens the whole ladder.
    ``neighbours`` agreed too.
    """

    agreed: bool = False
    neighbours: tuple[str, ...] = ()
    called: bool = False


NO_TERMS = HomeTerms()


@dataclass(frozen=True, slots=True)
class Recipient:
    """Somebody to tell, and why."""

    person: str
    reason_zh: str
    reason_en: str


@dataclass(frozen=True, slots=True)
class Rung:
    """One step of the ladder.

    ``empty_zh`` and ``empty_en`` say why nobody stands on it; ``others`` could have stood on
    it, with the reason why they do not.
    """

    name_zh: str
    name_en: str
    recipients: tuple[Recipient, ...]
    empty_zh: str = ""
    empty_en: str = ""
    others: tuple[Recipient, ...] = ()


@dataclass(frozen=True, slots=True)
class Ladder:
    """The peacetime steps of design section 5, looked up at send time. The last one repeats.

    ``is_alone``: a home agreed to nobody else, so its one rung repeats ever more rarely.
    """

    rungs: tuple[Rung, ...]
    is_alone: bool = False

    @property
    def last(self) -> int:
        """Index of the rung that repeats for ever."""
        return len(self.rungs) - 1

    def people(self, step: int) -> tuple[str, ...]:
        """Ids of those on rung ``step``, each once."""
        return tuple(recipient.person for recipient in self.rungs[step].recipients)


STEP_NAMES = (
    ("值班网格员和户主", "on-duty grid worker and home owner"),
    ("网格长", "grid head"),
    ("副网格长和相邻网格长", "deputy and neighbouring grid heads"),
    ("乡镇（街道）综治中心", "township centre"),
    ("公安值班台", "police desk"),
)
