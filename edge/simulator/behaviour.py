"""What a camera does with each picture and packet before it is sent; here: send it unchanged."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edge.simulator.loop import AccessUnit, EncodedLoop


class HangUpError(Exception):
    """Raised by a behaviour to close the client's connection at once."""


class Behaviour:
    """An honest camera; :mod:`edge.simulator.faults` has others. One object serves one client."""

    def described(self, loop: EncodedLoop) -> EncodedLoop:
        """What the session description tells of, and how pictures are packed."""
        return loop

    def announced(self, sets: Sequence[bytes]) -> Sequence[bytes]:
        """The parameter sets that the session description shows."""
        return sets

    def unit(self, unit: AccessUnit) -> AccessUnit | None:
        """The picture to send in place of ``unit``; None sends nothing. May raise HangUpError."""
        return unit

    def packet(self, packet: bytes) -> bytes | None:
        """The RTP packet to send in place of ``packet``; None loses it."""
        return packet

    def frame(self, framed: bytes) -> bytes:
        """The bytes to write in place of an interleaved frame: ``$``, channel, size, packet."""
        return framed

    @property
    def silent(self) -> bool:
        """Whether the camera has stopped answering altogether while its connection stays open."""
        return False


BehaviourFactory = Callable[[], Behaviour]
