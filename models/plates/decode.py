"""Turns the reader network's per-step probabilities into text, the plate grammar as evidence."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import heapify, heappush, heappushpop
from operator import itemgetter
from typing import Final

import numpy as np
from numpy.typing import NDArray

from models.plates.alphabet import UNREADABLE
from models.plates.grammar import RULES, PlateColour, is_old_o, legal_kinds

BEAM_WIDTH: Final = 12
CANDIDATE_FLOOR: Final = 0.002
"""Characters less probable than this in a step do not extend a beam."""

ILLEGAL_COST: Final = 3.5
"""Natural logarithm of how much rarer a text outside the grammar is than one inside."""

OLD_O_COST: Final = 2.0
"""The same for the rare blue plates whose second character is an O."""

COLOUR_FLOOR: Final = 0.05
"""Share of plates whose colour is seen so wrongly that it says nothing."""

READABLE: Final = 0.2
"""A character less probable than this is given as `?`."""

SURE: Final = 0.97
DOUBTED: Final = math.log(0.5)
"""Evidence of grammar and colour below which even a sure text is weighed against others."""
_NEVER: Final = -1e30
_LEAST: Final = -80.0
"""Logarithms of probabilities below this, and what is no number, are taken for this."""
_Beams = dict[str, tuple[float, float]]
"""Of each text the probabilities of its paths that end in a blank and in its last character."""


@dataclass(frozen=True, slots=True)
class Decoded:
    """A text and the probability of each of its characters; ``raw`` is the greedy text."""

    text: str
    raw: str
    probabilities: tuple[float, ...]


def decode(
    steps: NDArray[np.float32], colours: NDArray[np.float32], alphabet: str
) -> list[Decoded]:
    """The most probable text of each plate.

    Args:
        steps: float32 (N, T, 1 + len(alphabet)) log-probabilities, class 0 the CTC blank.
        colours: float32 (N, len(PlateColour)) log-probabilities of the background.
        alphabet: character of class i + 1.

    CTC and its prefix search are those of Graves et al. 2006 and Hannun et al. 2014. The grammar
    re-ranks whole texts; it never removes one.
    """
    plain = greedy(steps, alphabet)
    return [
        _weighed(own, raw, probabilities, seen, alphabet)
        for own, seen, (raw, probabilities) in zip(steps, colours.tolist(), plain, strict=True)
    ]


def _weighed(
    steps: NDArray[np.float32],
    raw: str,
    probabilities: list[float],
    colours: Sequence[float],
    alphabet: str,
) -> Decoded:
    best = raw
    # Between two characters no class is sure, so the characters' own best steps decide. A plate a
    # character short is legal and sure, yet often of a colour that such a text never has.
    if raw and (min(probabilities) < SURE or grammar_evidence(raw, colours) < DOUBTED):
        candidates = beam_search(steps, alphabet)
        best = max(candidates, key=lambda c: c[1] + grammar_evidence(c[0], colours))[0]
        if best != raw:
            probabilities = _probabilities(steps, best, alphabet)
    text = "".join(
        c if p >= READABLE else UNREADABLE for c, p in zip(best, probabilities, strict=True)
    )
    return Decoded(text=text, raw=raw, probabilities=tuple(probabilities))


def greedy(steps: NDArray[np.float32], alphabet: str) -> list[tuple[str, list[float]]]:
    """Of each plate the text of the best class of every step, and each character's probability.

    No alignment of that text is more probable than these steps themselves, so that the
    probabilities are those that `align` would find.

    Args:
        steps: float32 (N, T, 1 + len(alphabet)) log-probabilities.
        alphabet: character of class i + 1.
    """
    best, tops = steps.argmax(2).tolist(), steps.max(2).tolist()
    return [_runs(*pair, alphabet) for pair in zip(best, tops, strict=True)]


def _runs(classes: list[int], tops: list[float], alphabet: str) -> tuple[str, list[float]]:
    """Steps of one class in a row are one character, as probable as the best of them."""
    text, likely, before = [], [], 0
    for own, top in zip(classes, tops, strict=True):
        if own and own != before:
            text.append(alphabet[own - 1])
            likely.append(top)
        elif own:
            likely[-1] = max(likely[-1], top)
        before = own
    return "".join(text), [math.exp(min(0.0, max(-60.0, top))) for top in likely]


def grammar_evidence(text: str, colours: Sequence[float]) -> float:
    """Logarithm, at most 0, of how well a text and the seen colour fit any kind of plate."""
    places = _colours_of(text)
    if not places:
        return -ILLEGAL_COST
    seen = max(math.exp(min(0.0, colours[place])) for place in places)
    rare = OLD_O_COST if is_old_o(text) else 0.0
    return math.log(COLOUR_FLOOR + (1 - COLOUR_FLOOR) * seen) - rare


@lru_cache(maxsize=4096)
def _colours_of(text: str) -> tuple[int, ...]:
    """Places in the network's colours of those that a plate with this text may have."""
    order = list(PlateColour)
    return tuple({order.index(RULES[kind].colour) for kind in legal_kinds(text)})


def beam_search(
    steps: NDArray[np.float32], alphabet: str, width: int = BEAM_WIDTH
) -> list[tuple[str, float]]:
    """The most probable texts with their log-probabilities, best first (CTC prefix search)."""
    beams: _Beams = {"": (1.0, 0.0)}
    score, waits = 0.0, False
    blanks: list[float] = np.fmax(steps[:, 0], _LEAST).tolist()
    for blank, likely in zip(blanks, _likely(steps, alphabet), strict=True):
        if not likely:
            # Every text only waits, and most steps are of this kind: one sum serves them all.
            score, waits = score + blank, True
            continue
        if waits:
            beams = {text: (sum(ends), 0.0) for text, ends in beams.items()}
            waits = False
        beams, best = _grown(beams, math.exp(blank), likely, width)
        score += math.log(best)
    return [(text, score + math.log(sum(ends))) for text, ends in beams.items()]


def _likely(steps: NDArray[np.float32], alphabet: str) -> list[list[tuple[str, float]]]:
    """Of each step the characters that extend a beam, with their probabilities, best first."""
    enough = steps > math.log(CANDIDATE_FLOOR)
    enough[:, 0] = False
    at, classes = enough.nonzero()
    scores = steps[at, classes].astype(np.float64)
    order = np.lexsort((-scores, at))
    found: list[list[tuple[str, float]]] = [[] for _ in steps]
    chances = np.exp(scores[order]).tolist()
    for t, own, chance in zip(at[order].tolist(), classes[order].tolist(), chances, strict=True):
        found[t].append((alphabet[own - 1], chance))
    return found


def _grown(
    beams: _Beams, blank: float, likely: list[tuple[str, float]], width: int
) -> tuple[_Beams, float]:
    """The ``width`` best texts after one more step, best first, and the best one's probability.

    Probabilities are told by that one's: products of many steps would vanish. A text outside the
    beam has one way to come about, so that what falls short of the best so far is left out before
    it is made; characters come best first, and the rest of them with it.
    """
    grown = _stayed(beams, blank, dict(likely))
    best = [sum(ends) for ends in grown.values()]
    heapify(best)
    floor = best[0] if len(best) == width else 0.0
    for text, (waiting, ending) in beams.items():
        either, last = waiting + ending, text[-1:]
        for character, chance in likely:
            if either * chance < floor:
                break
            gain = (waiting if character == last else either) * chance
            longer = text + character
            if gain < floor or longer in beams:
                continue
            grown[longer] = (0.0, gain)
            if len(best) < width:
                heappush(best, gain)
            else:
                heappushpop(best, gain)
            floor = best[0] if len(best) == width else 0.0
    ranked = sorted(
        [(a + b, text, a, b) for text, (a, b) in grown.items() if a + b >= floor],
        key=itemgetter(0),
        reverse=True,
    )[:width]
    top = ranked[0][0]
    return {text: (a / top, b / top) for total, text, a, b in ranked if total > 0.0}, top


def _stayed(beams: _Beams, blank: float, chances: dict[str, float]) -> _Beams:
    """The beam's own texts after one more step: by waiting, by their last character going on, or
    from the text without it."""
    stayed: _Beams = {}
    for text, (waiting, ending) in beams.items():
        last, shorter = text[-1:], text[:-1]
        chance = chances.get(last, 0.0)
        arrived = 0.0
        if chance and shorter in beams:
            before = beams[shorter]
            arrived = chance * (before[0] if shorter[-1:] == last else sum(before))
        stayed[text] = ((waiting + ending) * blank, ending * chance + arrived)
    return stayed


def _probabilities(steps: NDArray[np.float32], text: str, alphabet: str) -> list[float]:
    return align(steps, [alphabet.index(c) + 1 for c in text])


def align(steps: NDArray[np.float32], classes: list[int]) -> list[float]:
    """Probability of each character of a text: its best step on the most probable CTC path."""
    if not classes:
        return []
    states = np.zeros(2 * len(classes) + 1, np.intp)
    states[1::2] = classes
    may_skip = np.zeros(len(states), bool)
    may_skip[3::2] = states[3::2] != states[1:-2:2]
    emitted = steps[:, states].astype(np.float64)
    score = np.full(len(states), _NEVER)
    score[:2] = emitted[0, :2]
    came = np.zeros((len(steps), len(states)), np.int8)
    options = np.full((3, len(states)), _NEVER)
    forbidden = np.where(may_skip[2:], 0.0, _NEVER)
    for t in range(1, len(steps)):
        options[0] = score
        options[1, 1:] = score[:-1]
        np.add(score[:-2], forbidden, out=options[2, 2:])
        came[t] = options.argmax(0)
        score = options.max(0) + emitted[t]
    state = len(states) - 1 if score[-1] >= score[-2] else len(states) - 2
    best = np.full(len(classes), _NEVER)
    for t in range(len(steps) - 1, -1, -1):
        if state % 2:
            best[state // 2] = max(best[state // 2], emitted[t, state])
        state -= int(came[t, state])
    return [float(p) for p in np.exp(np.clip(best, -60, 0))]
