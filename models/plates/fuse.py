"""Votes the reads of one track into one answer, character by character."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import TypeVar

from models.plates.alphabet import UNREADABLE
from models.plates.grammar import choose_kind
from models.plates.reading import PlateRead

_Choice = TypeVar("_Choice", bound=Hashable)
_LEAST_WEIGHT = 0.01
"""A read counts at least this much, so that a track of poor reads still gets an answer."""


def fuse_reads(reads: Sequence[PlateRead]) -> PlateRead:
    """One read from several of the same plate.

    The length is voted first, each read weighing by its confidence; then each character among the
    reads of that length, each weighing by the character's own probability. A fused character's
    probability is the best probability it was read with, times its share of the votes: agreement
    keeps it, disagreement lowers it, repetition alone never raises it.

    Raises ValueError when there is no read.
    """
    if not reads:
        raise ValueError("no reads to fuse")
    weights = [max(read.confidence, _LEAST_WEIGHT) for read in reads]
    seen = [(r, w) for r, w in zip(reads, weights, strict=True) if r.text]
    if not seen:
        return reads[0]
    length = _winner((len(read.text), weight) for read, weight in seen)
    voters = [(read, weight) for read, weight in seen if len(read.text) == length]
    characters = tuple(_vote([read.characters[i] for read, _ in voters]) for i in range(length))
    text = "".join(character for character, _ in characters)
    colour = _winner((read.colour, weight) for read, weight in voters)
    rows = _winner((read.rows, weight) for read, weight in voters)
    raw = max(voters, key=lambda voter: (voter[0].text == text, voter[1]))[0].raw
    return PlateRead(
        text=text,
        raw=raw,
        confidence=min(probability for _, probability in characters),
        characters=characters,
        colour=colour,
        kind=choose_kind(text, colour, rows),
        rows=rows,
        reads=sum(read.reads for read in reads),
    )


def _vote(ballots: Sequence[tuple[str, float]]) -> tuple[str, float]:
    votes: defaultdict[str, float] = defaultdict(float)
    best: defaultdict[str, float] = defaultdict(float)
    for character, probability in ballots:
        if character != UNREADABLE:
            votes[character] += probability
            best[character] = max(best[character], probability)
    total = sum(votes.values())
    if total <= 0:
        return UNREADABLE, max((p for _, p in ballots), default=0.0)
    winner = max(votes, key=lambda character: votes[character])
    return winner, best[winner] * votes[winner] / total


def _winner(ballots: Iterable[tuple[_Choice, float]]) -> _Choice:
    votes: defaultdict[_Choice, float] = defaultdict(float)
    for choice, weight in ballots:
        votes[choice] += weight
    return max(votes, key=lambda choice: votes[choice])
