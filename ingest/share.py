"""Sorts a group of batches by node and epoch, and sets aside what contradicts itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from config.event import Event
from config.ranges import SeqSet
from config.wire import EventBatch, Numbered
from ingest.letters.reading import DeadLetter
from ingest.store_sql import Key, SequenceRow


@dataclass(slots=True)
class Share:
    """What one group brings of one node and epoch."""

    key: Key
    oldest: int = 1
    events: dict[int, Event] = field(default_factory=dict)
    received: set[int] = field(default_factory=set)
    letters: list[DeadLetter] = field(default_factory=list)

    def add(self, numbered: Numbered, ids: dict[str, tuple[Key, int]]) -> None:
        """Take one event, unless the group (``ids``) holds its number or its id already."""
        seq, event = numbered.seq, numbered.event
        self.received.add(seq)
        known = self.events.get(seq)
        if known is not None and known.id != event.id:
            self._bury(seq, event, f"number {seq} came twice, first as event {known.id}")
        elif ids.setdefault(event.id, (self.key, seq)) != (self.key, seq):
            self._bury(seq, event, f"its id came first as number {ids[event.id][1]}")
        elif known is None:
            self.events[seq] = event

    def within(self, numbers: SeqSet) -> list[int]:
        """The numbers of its events that ``numbers`` covers; mostly none, as numbers only grow."""
        if not self.events or min(self.events) > numbers.highest():
            return []
        return [seq for seq in self.events if numbers.covers(seq)]

    def contradicts(self, seq: int, reason: str) -> None:
        """Event ``seq`` cannot be stored beside what is stored already."""
        self._bury(seq, self.events[seq], reason)

    def applied_to(self, before: SequenceRow, new_ids: set[str]) -> SequenceRow:
        """The sequence after this share: received is covered, and so is what was shed.

        ``skipped`` counts what is covered without having come; an event that the node had
        declared as shed, and that still arrives, is taken off it.
        """
        late = sum(1 for seq in self.within(before.numbers) if self.events[seq].id in new_ids)
        received = before.numbers.including(self.received)
        numbers: SeqSet = received.filled_to(self.oldest - 1)
        return SequenceRow(numbers, before.skipped + numbers.count() - received.count() - late)

    def _bury(self, seq: int, event: Event, reason: str) -> None:
        self.letters.append(
            DeadLetter.of_event(node=self.key[0], seq=seq, event=event, reason=reason)
        )


def shares_of(batches: Sequence[EventBatch]) -> dict[Key, Share]:
    """One share per node and epoch among ``batches``."""
    shares: dict[Key, Share] = {}
    ids: dict[str, tuple[Key, int]] = {}
    for batch in batches:
        key = (batch.node, batch.epoch)
        share = shares.setdefault(key, Share(key))
        share.oldest = max(share.oldest, batch.oldest)
        for numbered in batch.events:
            share.add(numbered, ids)
    return shares
