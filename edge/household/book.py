"""Who is enrolled on this node: templates by member, until their consent ends or is withdrawn."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, Field, ValidationError

from config.clock import Clock
from config.errors import UserError
from config.event import EventId, Frozen, Name
from config.household import Enrol, HouseholdList, Revision
from config.logs import get_logger
from edge.household.vault import Vault

_LOG = get_logger(__name__)

Vector = NDArray[np.float32]
_MOST: Final = 2000


class _Kept(Frozen):
    """One member as the vault keeps them; ``template`` is float32 little-endian, length one."""

    id: EventId
    cameras: tuple[Name, ...]
    expires_at: AwareDatetime
    model: Annotated[str, Field(max_length=64)]
    template: bytes = Field(min_length=4, max_length=16_384)


class _Page(Frozen):
    revision: Revision = 0
    members: tuple[_Kept, ...] = Field(default=(), max_length=_MOST)


class TemplateBook:
    """The people of the homes on this node; every change is on the disk before it counts.

    For any thread. Templates leave it only to be compared (:meth:`templates`).

    Args:
        vault: where they are kept.
        clock: tells when a consent has ended.
    """

    def __init__(self, vault: Vault, clock: Clock) -> None:
        self._vault, self._clock = vault, clock
        self._lock = threading.Lock()
        self._page = self._on_disk = self._read()
        self._ready: dict[tuple[str, str], tuple[tuple[str, ...], Vector]] = {}
        self._listed = -1, frozenset[str]()
        """The newest list that has come: its revision, and whom it names."""

    @property
    def revision(self) -> int:
        """The newest list, or order, that the disk has."""
        return self._on_disk.revision

    def held(self) -> tuple[str, ...]:
        """Members whose template is on the disk."""
        return tuple(sorted(member.id for member in self._on_disk.members))

    def templates(self, camera: str, model: str) -> tuple[tuple[str, ...], Vector]:
        """Who may be recognised at ``camera`` now.

        Returns:
            Their ids, and their templates of ``model`` as float32 (n, d).
        """
        self.expire()
        with self._lock:
            found = self._ready.get((camera, model))
            if found is None:
                found = self._ready[camera, model] = _gathered(self._page.members, camera, model)
            return found

    def learn(self, order: Enrol, template: Vector, *, model: str) -> bool:
        """Keep a member's template, instead of an earlier one.

        False, and nobody was learnt, when a list that came meanwhile does not name them: they
        have withdrawn before their face was found.

        Raises:
            OSError: it cannot be written; nobody was learnt.
        """
        kept = _Kept(
            id=order.member,
            cameras=order.cameras,
            expires_at=order.expires_at,
            model=model,
            template=template.astype("<f4").tobytes(),
        )
        with self._lock:
            listed, named = self._listed
            if listed >= order.revision and order.member not in named:
                return False
            others = tuple(one for one in self._page.members if one.id != order.member)
            revision = max(self._page.revision, order.revision)
            self._write(_Page(revision=revision, members=(*others, kept)))
            return True

    def heed(self, wanted: HouseholdList) -> None:
        """Forget everybody who is not on the list; one older than what is known is none."""
        with self._lock:
            if wanted.revision < self._page.revision:
                return
            allowed = {member.id: member for member in wanted.members}
            self._listed = wanted.revision, frozenset(allowed)
            left = tuple(
                one.model_copy(
                    update={
                        "cameras": allowed[one.id].cameras,
                        "expires_at": allowed[one.id].expires_at,
                    }
                )
                for one in self._page.members
                if one.id in allowed
            )
            self._forget(_Page(revision=wanted.revision, members=left))

    def expire(self) -> None:
        """Forget everybody whose consent has ended; call it now and then."""
        now = self._clock.now()
        with self._lock:
            left = tuple(one for one in self._page.members if now < one.expires_at)
            if len(left) < len(self._page.members) or self._page != self._on_disk:
                self._forget(_Page(revision=self._page.revision, members=left))

    def _forget(self, page: _Page) -> None:
        """In memory at once; a disk that refuses is asked again by :meth:`expire`."""
        self._page = page
        self._ready.clear()
        try:
            self._write(page)
        except OSError as error:
            _LOG.error("faces not erased from the disk yet", problem=type(error).__name__)

    def _write(self, page: _Page) -> None:
        if page != self._on_disk:
            self._vault.write(page.model_dump_json().encode())
        self._page = self._on_disk = page
        self._ready.clear()

    def _read(self) -> _Page:
        try:
            data = self._vault.read()
            page = _Page() if data is None else _Page.model_validate_json(data)
        except (UserError, ValidationError) as error:
            problem = str(error) if isinstance(error, UserError) else "it is of another version"
            _LOG.error("enrolled faces are lost; they are erased", problem=problem)
            self._vault.remove()
            page = _Page()
        return page


def _gathered(members: Iterable[_Kept], camera: str, model: str) -> tuple[tuple[str, ...], Vector]:
    chosen = [one for one in members if camera in one.cameras and one.model == model]
    if not chosen:
        return (), np.zeros((0, 0), np.float32)
    rows = np.stack([np.frombuffer(one.template, "<f4") for one in chosen])
    return tuple(one.id for one in chosen), rows.astype(np.float32)
