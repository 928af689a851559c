"""What the two people of a swap are told at each step, each in words of their own."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from alerts.rosters.notes import Note, span_text
from config.site import Site


class Offer(NamedTuple):
    """A turn of ``grid`` that ``giver`` offers to ``taker``; times timezone-aware."""

    id: str
    grid: str
    start: datetime
    end: datetime
    giver: str
    taker: str


def notes_of(site: Site, offer: Offer, state: str) -> list[Note]:
    """Who hears that the offer is now ``asked``, ``accepted``, ``declined`` or ``withdrawn``.

    Whoever did it need not be told, but of a swap that holds both have it in writing.
    """
    grid = site.grid(offer.grid)
    span = span_text(offer.start, offer.end, site.duty.zone)
    turn = f"{grid.name if grid is not None else offer.grid}，{span}"
    giver, taker = site.name_of(offer.giver), site.name_of(offer.taker)
    words = {
        "asked": [(
            offer.taker, f"{giver}想把班换给您：{turn}。请在值班页答复",
            f"{giver} offers you a turn: {turn}. Answer on the page of duty",
        )],
        "accepted": [
            (offer.taker, f"换班已定，由您当班：{turn}", f"Swapped, you are on duty: {turn}"),
            (
                offer.giver, f"换班已定，由{taker}替您当班：{turn}",
                f"Swapped, {taker} is on duty in your place: {turn}",
            ),
        ],
        "declined": [(
            offer.giver, f"{taker}没有接受换班，仍由您当班：{turn}",
            f"{taker} declined, the turn is still yours: {turn}",
        )],
        "withdrawn": [(
            offer.taker, f"{giver}撤回了换班请求：{turn}", f"{giver} took the offer back: {turn}",
        )],
    }  # fmt: skip
    return [Note(person, f"swap {offer.id}", zh, en) for person, zh, en in words[state]]
