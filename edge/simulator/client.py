"""Sends one feed to one client over its RTSP connection, and drops the client if it is slow."""

from __future__ import annotations

import asyncio
from secrets import randbits

from config.clock import Clock
from config.logs import get_logger
from edge.simulator.behaviour import Behaviour, HangUpError
from edge.simulator.feed import Feed
from edge.simulator.loop import TICKS_PER_SECOND, AccessUnit
from edge.simulator.messages import interleaved
from edge.simulator.rtp import RtpSender, payloads

_log = get_logger(__name__)

MAX_BACKLOG_BYTES = 4 * 1024 * 1024
"""Bytes that may wait for a client; about 8 s of a 4 Mbit/s stream."""
REPORT_EVERY_TICKS = 5 * TICKS_PER_SECOND


class StreamClient:
    """A playing client. ``channels`` are the interleaved channels of RTP and RTCP."""

    def __init__(
        self,
        feed: Feed,
        *,
        writer: asyncio.StreamWriter,
        channels: tuple[int, int],
        behaviour: Behaviour,
        clock: Clock,
    ) -> None:
        self._feed = feed
        self._writer = writer
        self._channels = channels
        self._behaviour = behaviour
        self._clock = clock
        self._next_report = 0
        self.sender = RtpSender(ssrc=randbits(32), sequence=randbits(16), base=randbits(32))
        self._first = 0

    def prepare(self) -> tuple[int, int]:
        """Choose where to begin; the sequence number and RTP time of the first packet to come."""
        self._first = self._feed.first_position()
        return self.sender.sequence, self.sender.timestamp(
            self._feed.loop.unit_at(self._first).show
        )

    def play(self) -> None:
        """Start sending; call :meth:`prepare` before."""
        self._feed.join(self, self._first)

    def stop(self, *, goodbye: bool = False) -> None:
        """Stop sending; with ``goodbye`` tell the client by RTCP BYE."""
        self._feed.leave(self)
        if goodbye and not self._writer.is_closing():
            self._writer.write(interleaved(self._channels[1], self.sender.goodbye()))

    def show(self, unit: AccessUnit) -> None:
        """Send one picture (see :class:`edge.simulator.feed.Viewer`)."""
        if self._writer.is_closing():
            self._feed.leave(self)
            return
        if self._writer.transport.get_write_buffer_size() > MAX_BACKLOG_BYTES:
            _log.warning("simulator_dropped_slow_client")
            self._end()
            return
        try:
            chosen = self._behaviour.unit(unit)
        except HangUpError:
            self._end()
            return
        if chosen is not None:
            self._send(chosen)

    def _end(self) -> None:
        self._feed.leave(self)
        self._writer.transport.abort()

    def _send(self, unit: AccessUnit) -> None:
        if unit.send >= self._next_report:
            self._next_report = unit.send + REPORT_EVERY_TICKS
            report = self.sender.report(self._clock.now(), self._feed.now_ticks())
            self._writer.write(interleaved(self._channels[1], report))
        parts = payloads(self._behaviour.described(self._feed.loop).codec, unit.nals)
        frames = []
        for packet in self.sender.packets(parts, unit.show):
            sent = self._behaviour.packet(packet)
            if sent is not None:
                frames.append(self._behaviour.frame(interleaved(self._channels[0], sent)))
        self._writer.write(b"".join(frames))
