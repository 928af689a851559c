"""One stream's packets in, live messages out: init segment and fragments, nothing re-encoded."""

from __future__ import annotations

from dataclasses import dataclass

from config.live import MESSAGE_LIMIT_BYTES, FrameKind, LiveFrame
from edge.live.mp4 import TIMESCALE, Sample, fragment, init_segment
from edge.live.nal import Codec, parameter_sets, sample, split

_LONGEST_STEP = 10 * TIMESCALE
_LONGEST_REORDER = TIMESCALE
_FIRST_STEP = TIMESCALE // 25
_FRAME_ROOM = MESSAGE_LIMIT_BYTES - 1024


@dataclass(frozen=True, slots=True)
class Source:
    """What an open stream says of itself; another object means another connection."""

    codec: Codec
    width: int
    height: int
    extradata: bytes


@dataclass(frozen=True, slots=True)
class CodedPicture:
    """One packet: Annex B bytes, times in seconds on the stream's clock (None where unknown)."""

    data: bytes
    pts_s: float | None
    dts_s: float | None
    is_key: bool
    at_ms: int


@dataclass(slots=True)
class _Pending:
    decode_time: int
    offset: int
    is_key: bool
    at_ms: int
    data: bytes


class Remuxer:
    """Writes one channel. Holds one picture back, since only the next one tells how long it lasts:

    Media Source Extensions drop everything up to the next key frame when a picture comes more
    than twice its announced duration after the last (W3C MSE, coded frame processing).
    """

    def __init__(self, source: Source, channel: int) -> None:
        self._source = source
        self._channel = channel
        self._sets = parameter_sets(source.codec, source.extradata)
        self._announced = False
        self._sequence = 0
        self._pending: _Pending | None = None
        self._base: int | None = None
        self._step = _FIRST_STEP

    def feed(self, picture: CodedPicture) -> list[LiveFrame]:
        """Messages that this packet completes, in order.

        Raises:
            UnreadableError: the stream's parameter sets cannot be read.
        """
        units = split(picture.data)
        messages: list[LiveFrame] = []
        if picture.is_key:
            sets = self._sets.updated(units)
            if sets.complete and (not self._announced or sets != self._sets):
                messages.extend(self._flush(self._step))
                self._sets = sets
                messages.append(self._announce(picture.at_ms))
        data = sample(self._source.codec, units)
        if not self._announced or not data or len(data) > _FRAME_ROOM:
            return messages
        time, offset = self._times(picture)
        pending = self._pending
        if pending is not None and time == pending.decode_time:
            # Some cameras send one picture as several packets.
            if len(pending.data) + len(data) <= _FRAME_ROOM:
                pending.data += data
            return messages
        if pending is not None:
            self._step = time - pending.decode_time
            messages.extend(self._flush(self._step))
        self._pending = _Pending(time, offset, picture.is_key, picture.at_ms, data)
        return messages

    def finish(self) -> list[LiveFrame]:
        """The picture that was held back, when no other comes; it lasts as long as the last."""
        return self._flush(self._step)

    def _announce(self, at_ms: int) -> LiveFrame:
        name = self._sets.codec_string.encode()
        segment = init_segment(
            width=self._source.width,
            height=self._source.height,
            entry=b"avc1" if self._source.codec == "h264" else b"hvc1",
            configuration=self._sets.configuration(),
        )
        self._announced = True
        payload = bytes([len(name)]) + name + segment
        return LiveFrame.make(FrameKind.INIT, channel=self._channel, at_ms=at_ms, payload=payload)

    def _times(self, picture: CodedPicture) -> tuple[int, int]:
        """Decode time from the start of the channel, never going back, and composition offset."""
        last = self._pending.decode_time if self._pending is not None else None
        stamp = picture.dts_s if picture.dts_s is not None else picture.pts_s
        if stamp is None:
            return (0 if last is None else last + self._step), 0
        now = round(stamp * TIMESCALE)
        if self._base is None:
            self._base = now
        time = now - self._base
        if last is not None and last - _LONGEST_REORDER <= time < last:
            # RTP tells when a picture is shown, not when it is decoded: this one is shown before
            # one that was sent earlier, so it is decoded right after that.
            return last + 1, time - last - 1
        if last is not None and not last <= time <= last + _LONGEST_STEP:
            # The camera's clock was set: go on where we were.
            time = last + self._step
            self._base = now - time
        time = max(time, 0)
        offset = 0 if picture.pts_s is None else round(picture.pts_s * TIMESCALE) - now
        return time, max(min(offset, _LONGEST_STEP), -_LONGEST_STEP)

    def _flush(self, duration: int) -> list[LiveFrame]:
        pending, self._pending = self._pending, None
        if pending is None:
            return []
        self._sequence += 1
        written = fragment(
            self._sequence,
            Sample(pending.decode_time, duration, pending.offset, pending.is_key, pending.data),
        )
        message = LiveFrame.make(
            FrameKind.FRAGMENT,
            channel=self._channel,
            at_ms=pending.at_ms,
            payload=written,
            is_key=pending.is_key,
        )
        return [message]
