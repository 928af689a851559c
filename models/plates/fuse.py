"""Votes the reads of one track into one answer, character by character."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Hashable, Iterable, Sequence
from typing import Final, TypeVar

from models.plates.alphabet import CHARACTERS, UNREADABLE
from models.plates.grammar import choose_kind
from models.plates.reading import PlateRead

_Choice = TypeVar("_Choice", bound=Hashable)
_Ballot = tuple[str, float, float]
"""A character, its probability, and the standing of the read it is from."""
_LEAST_WEIGHT: Final = 0.01
"""A read counts at least this much, so that a track of poor reads still gets an answer."""
_LIMITS: Final = (1e-4, 1 - 1e-4)
"""Probabilities nearer to 0 or 1 are taken for these: no single frame outvotes all others."""
_OTHERS: Final = len(CHARACTERS) - 1


def fuse_reads(reads: Sequence[PlateRead]) -> PlateRead:
    """One read from several of the same plate.

    The length is voted first, each read weighing by its standing. Then each character is the one
    under which what all reads of that length say is most likely: the sum of log-probabilities,
    in which a read that says something else leaves little to it, and each read counts by its
    standing, so that a smeared frame says little. A fused character's probability is the best
    probability it was read with, times its share of the votes: agreement keeps it, disagreement
    lowers it, repetition alone never raises it.

    Raises ValueError when there is no read.
    """
    if not reads:
        raise ValueError("no reads to fuse")
    weights = [max(read.standing, _LEAST_WEIGHT) for read in reads]
    seen = [(r, w) for r, w in zip(reads, weights, strict=True) if r.text]
    if not seen:
        return reads[0]
    length = _winner((len(read.text), weight) for read, weight in seen)
    voters = [(read, weight) for read, weight in seen if len(read.text) == length]
    characters = tuple(_vote([(*r.characters[i], w) for r, w in voters]) for i in range(length))
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


def _vote(ballots: Sequence[_Ballot]) -> tuple[str, float]:
    known = [ballot for ballot in ballots if ballot[0] != UNREADABLE]
    total = sum(weight * probability for _, probability, weight in known)
    if total <= 0:
        return UNREADABLE, max((p for _, p, _ in ballots), default=0.0)
    winner = max(
        dict.fromkeys(character for character, _, _ in known),
        key=lambda character: _likelihood(character, known),
    )
    agreeing = [(p, weight) for character, p, weight in known if character == winner]
    share = sum(weight * p for p, weight in agreeing) / total
    return winner, min(1.0, max(p for p, _ in agreeing) * share)


def _likelihood(character: str, ballots: Sequence[_Ballot]) -> float:
    """Logarithm of how likely all ballots are if ``character`` is what is written there."""
    total = 0.0
    for said, probability, weight in ballots:
        bounded = min(max(probability, _LIMITS[0]), _LIMITS[1])
        total += weight * math.log(bounded if said == character else (1 - bounded) / _OTHERS)
    return total


def _winner(ballots: Iterable[tuple[_Choice, float]]) -> _Choice:
    votes: defaultdict[_Choice, float] = defaultdict(float)
    for choice, weight in ballots:
        votes[choice] += weight
    return max(votes, key=lambda choice: votes[choice])
