"""Sorts a group of batches by node and epoch, and sets aside what contradicts itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from config.ranges import SeqSet
from ingest.arrival import Arrival, EventRow
from ingest.letters.reading import DeadLetter
from ingest.store_sql import Key, SequenceRow


@dataclass(slots=True)
class Share:
    """What one group brings of one node and epoch."""

    key: Key
    oldest: int = 1
    events: dict[int, EventRow] = field(default_factory=dict)
    received: set[int] = field(default_factory=set)
    letters: list[DeadLetter] = field(default_factory=list)

    def add(self, arrival: Arrival, ids: dict[str, tuple[Key, int]]) -> None:
        """Take the events of one message, but for those whose number or id the group has already.

        Args:
            ids: where each id of the group so far belongs; is added to.
        """
        by_seq = {row.seq: row for row in arrival.rows}
        places = {row.id: (self.key, row.seq) for row in arrival.rows}
        self.received.update(by_seq)
        if (
            len(by_seq) == len(places) == len(arrival.rows)
            and self.events.keys().isdisjoint(by_seq)
            and ids.keys().isdisjoint(places)
        ):
            self.events.update(by_seq)
            ids.update(places)
            return
        for row in arrival.rows:
            self._add(row, ids)

    def _add(self, row: EventRow, ids: dict[str, tuple[Key, int]]) -> None:
        seq = row.seq
        known = self.events.get(seq)
        if known is not None and known.id != row.id:
            self._bury(row, f"number {seq} came twice, first as event {known.id}")
        elif ids.setdefault(row.id, (self.key, seq)) != (self.key, seq):
            self._bury(row, f"its id came first as number {ids[row.id][1]}")
        elif known is None:
            self.events[seq] = row

    def within(self, numbers: SeqSet) -> list[int]:
        """The numbers of its events that ``numbers`` covers; mostly none, as numbers only grow."""
        if not self.events or min(self.events) > numbers.highest():
            return []
        return [seq for seq in self.events if numbers.covers(seq)]

    def contradicts(self, seq: int, reason: str) -> None:
        """Event ``seq`` cannot be stored beside what is stored already."""
        self._bury(self.events[seq], reason)

    def applied_to(self, before: SequenceRow, new_ids: set[str]) -> SequenceRow:
        """The sequence after this share: received is covered, and so is what was shed.

        ``skipped`` counts what is covered without having come; an event that the node had
        declared as shed, and that still arrives, is taken off it.
        """
        late = sum(1 for seq in self.within(before.numbers) if self.events[seq].id in new_ids)
        received = before.numbers.including(self.received)
        numbers: SeqSet = received.filled_to(self.oldest - 1)
        return SequenceRow(numbers, before.skipped + numbers.count() - received.count() - late)

    def _bury(self, row: EventRow, reason: str) -> None:
        self.letters.append(
            DeadLetter.of_event(
                node=self.key[0], seq=row.seq, camera=row.camera, body=row.body, reason=reason
            )
        )


def shares_of(arrivals: Sequence[Arrival]) -> dict[Key, Share]:
    """One share per node and epoch among ``arrivals``."""
    shares: dict[Key, Share] = {}
    ids: dict[str, tuple[Key, int]] = {}
    for arrival in arrivals:
        key = (arrival.node, arrival.epoch)
        share = shares.setdefault(key, Share(key))
        share.oldest = max(share.oldest, arrival.oldest)
        share.add(arrival, ids)
    return shares
