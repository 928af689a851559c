"""What to decode of a camera's big stream, and which pictures to hand on for inference."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Protocol

from config.site import Gate
from edge.events.geometry import Box
from edge.health.picture_health import PictureHealth
from edge.streams.frame_time import FrameTimer
from edge.streams.stream import PacketSource, Picture, StreamPacket
from edge.watching.counters import Counters
from edge.watching.gop_ring import GopRing
from edge.watching.masks import MaskBurner
from edge.watching.moments import Moments
from edge.watching.planar import MaskedPicture
from edge.watching.sub_watch import SubWatch
from edge.watching.trigger import Glance, Trigger, Wanted, most_of
from edge.watching.undecoded import Pace, Undecoded, utc_of

SAMPLE_INTERVAL_S = 0.2
STANDING_INTERVAL_S = 2.0
"""Whoever stands still is looked at so often where all pictures are decoded anyway, and on key
frames elsewhere, or loitering could not be seen."""
LONG_GOP_S = 2.0
_GAP_S = 4.0
"""Further back it is not asked what moved between two pictures."""
_APART_S = SAMPLE_INTERVAL_S * 0.95
_SETTLED_S = 1.6
"""What nothing was seen of for so long after the last picture has gone."""
_UNSEEN_S = 0.5
"""What moved for longer after the last picture is worth another one."""
CATCH_UP_S = 1.0
"""What the ring holds comes all at once: after each trigger, decoding may wait so long in all."""
LATE_S = 1.5
"""A picture so old is not decoded for: on a busy machine the next key frame is worth more."""
_RING_BYTES = 24 * 1024 * 1024
_RING_SECONDS = 24.0
"""A clip reaches back this far; most cameras need half of the bytes for it."""


class PictureSink(Protocol):
    """Takes pictures for inference, as many of a camera as are analysed in time."""

    def has_room(self) -> bool:
        """Whether a picture of this camera would be taken; else none is decoded for it."""

    def wait_for_room(self, seconds: float) -> float:
        """Until there is room, at most so long; how long it took."""

    def age_s(self, utc_s: float) -> float:
        """How long ago a moment (Unix seconds) is now; 0 where time is that of the stream."""

    def put(
        self,
        at: datetime,
        picture: MaskedPicture,
        boxes: tuple[Box, ...],
        before: Sequence[Glance] = (),
    ) -> None:
        """One picture, its time and what moved in it; valid only until this returns.

        ``before``: what moved since the last picture, where there should have been others.
        """

    def put_glances(self, glances: Sequence[Glance]) -> None:
        """What moved since the last picture, at least one look, where no picture follows."""


class Unhurried:
    """What a :class:`PictureSink` says that has analysed each picture before the next one comes."""

    __slots__ = ()

    def has_room(self) -> bool:
        """Always."""
        return True

    def wait_for_room(self, _seconds: float) -> float:
        """Nobody has to wait."""
        return 0.0

    def age_s(self, _utc_s: float) -> float:
        """Time is that of the stream."""
        return 0.0


@dataclass(slots=True)
class KeyInterval:
    """Measures the distance of key frames, to choose a gate for a camera with one stream."""

    longest_s: float | None = None
    _last_pts_s: float | None = None
    _intervals: int = 0

    def observe(self, packet: StreamPacket) -> None:
        """Learn from every packet in order."""
        if not packet.is_keyframe or packet.pts_s is None:
            return
        if self._last_pts_s is not None and packet.pts_s > self._last_pts_s:
            interval = packet.pts_s - self._last_pts_s
            self.longest_s = max(interval, (self.longest_s or 0.0) * 0.9)
            self._intervals += 1
        self._last_pts_s = packet.pts_s

    def gate(self) -> Gate:
        """Key frames only where they come often enough to start looking in time."""
        if self._intervals >= 2 and self.longest_s is not None and self.longest_s <= LONG_GOP_S:
            return Gate.KEYFRAMES
        return Gate.ALWAYS


@dataclass(slots=True)
class MainWatch:
    """Keeps the big stream in a ring and decodes it when the gate says so.

    ``gate`` None chooses: ``substream`` when the camera has one, else by key frame distance.
    ``limit_px`` bounds a picture's area; a larger one is shrunk to fit.
    """

    trigger: Trigger
    masks: MaskBurner
    counters: Counters
    sink: PictureSink
    gate: Gate | None
    limit_px: int
    _timer: FrameTimer = field(default_factory=FrameTimer)
    _moments: Moments = field(default_factory=Moments)
    _done_s: float = -inf
    _keys: KeyInterval = field(default_factory=KeyInterval)
    _pace: Pace = field(default_factory=lambda: Pace(SAMPLE_INTERVAL_S))
    _decoding: bool = False
    _owes: bool = False
    _things: int = 0
    """How many were there in the last picture that was handed on."""
    _patience_s: float = 0.0
    _ring: GopRing[StreamPacket] = field(
        default_factory=lambda: GopRing(max_bytes=_RING_BYTES, max_seconds=_RING_SECONDS)
    )
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _codec: str = ""
    _shown_from_s: float = 0.0
    _watch: SubWatch = field(init=False)
    _undecoded: Undecoded = field(init=False)

    def __post_init__(self) -> None:
        self._watch = SubWatch(self.trigger, self.masks, self.counters)
        self._undecoded = Undecoded(self.counters)

    def opened(self) -> None:
        """A new connection: nothing from the last one can be decoded with it."""
        self._timer, self._moments = FrameTimer(), Moments()
        self._keys = KeyInterval()
        with self._lock:
            self._ring.clear()
        self._watch.opened()
        self._undecoded.clear()
        self._decoding = False

    def packet(self, stream: PacketSource, packet: StreamPacket) -> bool:
        """Keep one packet, and decode what is wanted. Returns whether pictures are."""
        packet = self._moments.of(packet)
        if packet.pts_s is not None:
            self._timer.observe(packet.pts_s, packet.arrived_s)
        self.counters.packets += 1
        self.counters.bytes += packet.size
        self._keys.observe(packet)
        with self._lock:
            self._ring.append(packet)
            self._codec = stream.codec
        gate = self.gate or self._keys.gate()
        wanted = self._wanted(packet)
        if wanted is None and gate is not Gate.ALWAYS:
            if self._decoding:
                self._decoding = False
                self._undecoded.clear()
                stream.restart_decoder()  # it lets go of its pictures
            present = self.trigger.present(packet.at_s)
            if packet.is_keyframe and (present or gate is Gate.KEYFRAMES):
                begun = time.thread_time()
                pictures = stream.decode_key(packet)
                self.counters.decode_s += time.thread_time() - begun
                self.counters.decoded += len(pictures)
                self._show(pictures, packet, watch=gate is Gate.KEYFRAMES, sample=present)
        elif self._decoding and (wanted is None or wanted.has(packet.at_s)):
            self._decode(stream, packet, gate)
        elif len(self._ring) > 0:  # else there is no key frame yet to start from
            self._catch_up(stream, wanted or Wanted(packet.at_s, packet.at_s), gate)
        if wanted is None and self._owes:
            self._settle(stream, packet, gate)
        return wanted is not None or gate is Gate.ALWAYS

    def hide_before(self, at_s: float) -> None:
        """Give away no packet that came before ``at_s`` (Unix seconds): masks were changed."""
        self._shown_from_s = at_s

    def hungry(self, interval_s: float) -> None:
        """Hand on pictures at this interval from now on (s). For any thread."""
        self._pace.interval_s = interval_s

    @property
    def health(self) -> PictureHealth:
        """The health of the pictures that were decoded from this stream."""
        return self._watch.health

    def kept(self, since_s: float, until_s: float) -> tuple[list[StreamPacket], str]:
        """What the ring holds of a stretch of time (Unix seconds of arrival), and the codec.

        Begins at the last key frame before it; empty where masks forbid to hand packets on,
        because nothing can be burnt into what is not decoded. For any thread.
        """
        with self._lock:
            packets, codec = list(self._ring.all()), self._codec
        if self.masks.any:
            return [], codec
        packets = [packet for packet in packets if packet.arrived_s >= self._shown_from_s]
        if self._shown_from_s:
            while packets and not packets[0].is_keyframe:
                packets.pop(0)
        keys = [i for i, p in enumerate(packets) if p.is_keyframe and p.arrived_s <= since_s]
        first = keys[-1] if keys else 0
        return [packet for packet in packets[first:] if packet.arrived_s <= until_s], codec

    def _catch_up(self, stream: PacketSource, wanted: Wanted, gate: Gate) -> None:
        """Go back in the ring to where pictures are wanted, and decode from there to its end."""
        self._decoding = True
        self._patience_s = CATCH_UP_S
        stream.restart_decoder()
        self._undecoded.clear()
        kept = None
        for kept in self._ring.since(wanted.since_s):
            self._decode(stream, kept, gate, catching_up=True)
        if kept is not None:
            self._done_s = max(self._done_s, min(kept.at_s, wanted.until_s))

    def _wanted(self, packet: StreamPacket) -> Wanted | None:
        """What is wanted up to this packet of that which is still here and was not looked at."""
        return self.trigger.wanted(packet.at_s, max(self._done_s, self._ring.oldest_s))

    def _decode(
        self, stream: PacketSource, packet: StreamPacket, gate: Gate, *, catching_up: bool = False
    ) -> None:
        """Take a packet while pictures are wanted; all are decoded only where all are watched."""
        wanted = self._wanted(packet)
        # What the ring holds from before `since_s` is decoded for reference only.
        sample = wanted is not None and wanted.has(packet.at_s)
        if sample:
            self._done_s = packet.at_s
        elif gate is Gate.ALWAYS:
            sample = self._is_worth_a_look(packet)
        self._undecoded.add(packet)
        if gate is not Gate.SUBSTREAM:
            self._show(self._undecoded.decode(stream), packet, watch=True, sample=sample)
        elif sample and self._pace.expects(packet, self._timer):
            if not catching_up and self._is_late(packet):
                self._undecoded.skip()
            elif self._patience_s > 0 or self.sink.has_room():
                gone = self._gone_unseen(self._glances(utc_of(self._timer, packet.pts_s, packet)))
                if gone is not None:
                    self._look_back(stream, gone.utc_s)
                    self._undecoded.skip()
                    return
                for picture in self._undecoded.latest(stream):
                    self._hand_on(picture, utc_of(self._timer, picture.pts_s, packet))

    def _is_worth_a_look(self, packet: StreamPacket) -> bool:
        """Whether something stands there that was last looked at a while ago."""
        last = Pace(STANDING_INTERVAL_S, self._pace.last_s)
        is_due = last.would(utc_of(self._timer, packet.pts_s, packet))
        return is_due and self.trigger.present(packet.at_s)

    def _is_late(self, packet: StreamPacket) -> bool:
        """Whether we are so far behind that the rest of this group is left out.

        Its key frame never is: each group has one look, and decoding that alone catches up.
        Where groups are long, more is lost by leaving out.
        """
        if packet.is_keyframe:
            return False
        late_s = max(LATE_S, (self._keys.longest_s or 0.0) / 2)
        return self.sink.age_s(utc_of(self._timer, packet.pts_s, packet)) > late_s

    def _show(
        self, pictures: Iterable[Picture], packet: StreamPacket, *, watch: bool, sample: bool
    ) -> None:
        for picture in pictures:
            utc_s = utc_of(self._timer, picture.pts_s, packet)
            if watch:
                self._watch.look(picture, packet, utc_s)
            if sample and self._pace.would(utc_s):
                self._hand_on(picture, utc_s)

    def _hand_on(self, picture: Picture, utc_s: float) -> None:
        self._owes = True
        if self._patience_s > 0:
            self._patience_s -= self.sink.wait_for_room(self._patience_s)
        if not self.sink.has_room():
            return  # the next picture is newer
        begun = time.thread_time()
        before = self._glances(utc_s)
        self._pace.passed(utc_s)
        masked = MaskedPicture(picture.planes(), self.masks, limit_px=self.limit_px)
        self.counters.sampled += 1
        boxes = self.trigger.boxes_at(utc_s)
        self._things = len(boxes)
        self.sink.put(datetime.fromtimestamp(utc_s, UTC), masked, boxes, before)
        self.counters.picture_s += time.thread_time() - begun

    def _settle(self, stream: PacketSource, packet: StreamPacket, gate: Gate) -> None:
        """Tell what moved after the last picture, once the end of it was seen.

        Where there was no room for a picture of it, one is taken now, for the ring still has it;
        not where all is decoded, because the decoder is at work.
        """
        now_s, last_s = utc_of(self._timer, packet.pts_s, packet), self._pace.last_s
        if last_s is None or not 0 <= now_s - last_s < _RING_SECONDS:
            self._owes = False
            return
        if now_s - last_s < _SETTLED_S:
            return  # no look can be so late yet
        until_s = min(now_s, last_s + _GAP_S)
        owed = self.trigger.glances(last_s, until_s, apart_s=_APART_S)
        if not owed or owed[-1].utc_s - last_s < _SETTLED_S or not self.sink.has_room():
            return
        gone = self._gone_unseen(owed)
        if gone is not None and gate is not Gate.ALWAYS:
            self._look_back(stream, gone.utc_s)
        elif not owed[-1].boxes:
            self.sink.put_glances(owed)
            self._pace.passed(owed[-1].utc_s)
            self._owes = False

    def _gone_unseen(self, owed: Sequence[Glance]) -> Glance | None:
        """The best moment of what came and went since the last picture, if that shows too little.

        None where nothing did, where it was short, and where the last picture shows as much.
        """
        shown, last_s = [one for one in owed if one.boxes], self._pace.last_s
        if not shown or owed[-1].boxes or last_s is None:
            return None
        best = most_of(shown)
        is_long = shown[-1].utc_s - last_s > _UNSEEN_S
        return best if is_long or len(best.boxes) > self._things else None

    def _look_back(self, stream: PacketSource, utc_s: float) -> None:
        """Hand on the picture of a moment (Unix seconds) that has passed, if the ring has it."""
        stream.restart_decoder()
        self._undecoded.clear()
        found = None
        for packet in self._ring.all():
            if utc_of(self._timer, packet.pts_s, packet) > utc_s:
                break
            self._undecoded.add(packet)
            found = packet
        if found is not None:
            for picture in self._undecoded.latest(stream):
                self._hand_on(picture, utc_of(self._timer, picture.pts_s, found))
        stream.restart_decoder()
        self._pace.passed(utc_s)

    def _glances(self, utc_s: float) -> list[Glance]:
        """What moved since the last picture that was handed on, where that is long ago."""
        last_s = self._pace.last_s
        after_s = utc_s - _GAP_S if last_s is None else max(last_s, utc_s - _GAP_S)
        return self.trigger.glances(after_s, utc_s, apart_s=_APART_S)
