"""``menshen bench edge-recall``: what each gate misses of whole clips, in stream time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import av
import typer

from config.event import Event
from config.site import Gate
from edge.events.geometry import Box
from edge.events.pipeline import CameraPipeline
from edge.looking import look
from edge.simulator.loop import TICKS_PER_SECOND, EncodedLoop
from edge.streams.decoders import new_decoder
from edge.streams.rtp import START_CODE
from edge.streams.rtsp import LATER_S, SOON_S
from edge.streams.stream import Picture, StreamPacket
from edge.tools.replay import recordings
from edge.watching.camera import LIMIT_PX
from edge.watching.counters import Counters
from edge.watching.gates import MainWatch, Unhurried
from edge.watching.masks import MaskBurner
from edge.watching.pictures import Scene
from edge.watching.planar import MaskedPicture
from edge.watching.sub_watch import SubWatch
from edge.watching.trigger import Glance, Trigger
from models.core import VisionCore
from tests.bench.edge_score import Score, Seen, compare
from tests.bench.edge_streams import PIECE_S, footage, whole
from tests.bench.places import model_store
from tests.bench.report import JsonFlag, finish, one_thread, share, show

_EPOCH: Final = datetime(2000, 1, 1, tzinfo=UTC).timestamp()
_TICK_S: Final = 0.25
_FILLER: Final = 12
"""NAL units that only fill up a constant bit rate (H.264 7.4.1): the reader drops them."""


@dataclass(slots=True)
class LoopStream:
    """One pass of a loop as the reader of a camera gives it: in pieces, small ones in a hurry."""

    loop: EncodedLoop
    piece_s: float = SOON_S
    _context: Any = None
    _next: int = 0

    @property
    def codec(self) -> str:
        """See :class:`edge.streams.stream_types.PacketSource`."""
        return "h264"

    def packets(self) -> Iterator[StreamPacket]:
        """All that is left, at once."""
        yield from self.until(self.loop.seconds)

    def until(self, now_s: float) -> list[StreamPacket]:
        """What has been sent until ``now_s`` and was not asked for yet; the last has just come."""
        first = self._next
        while (
            self._next < len(self.loop.units)
            and self.loop.units[self._next].send <= now_s * TICKS_PER_SECOND
        ):
            self._next += 1
        units = self.loop.units[first : self._next]
        packets = []
        for unit in units:
            age_s = (units[-1].send - unit.send) / TICKS_PER_SECOND
            nals = (nal for nal in unit.nals if nal[0] & 0x1F != _FILLER)
            data = START_CODE + START_CODE.join(nals)
            packets.append(
                StreamPacket(
                    pts_s=unit.show / TICKS_PER_SECOND,
                    arrived_s=_EPOCH + now_s - age_s,
                    at_s=now_s - age_s,
                    size=len(data),
                    is_keyframe=unit.key,
                    coded=data,
                )
            )
        return packets

    def decode(self, packet: StreamPacket) -> list[Picture]:
        """See :class:`edge.streams.stream_types.PacketSource`."""
        if self._context is None:
            self._context = new_decoder(self.codec)
        return [Picture(frame, packet.pts_s) for frame in self._context.decode(_av(packet))]

    def decode_key(self, packet: StreamPacket) -> list[Picture]:
        """See :class:`edge.streams.stream_types.PacketSource`."""
        decoder = new_decoder(self.codec)
        frames = [*decoder.decode(_av(packet)), *decoder.decode(None)]
        return [Picture(frame, packet.pts_s) for frame in frames]

    def hurry(self, hurry: bool) -> None:
        """See :class:`edge.streams.stream_types.PacketSource`."""
        self.piece_s = SOON_S if hurry else LATER_S

    def restart_decoder(self) -> None:
        """See :class:`edge.streams.stream_types.PacketSource`."""
        self._context = None


def _av(packet: StreamPacket) -> Any:
    return av.Packet(packet.coded)


@dataclass(slots=True)
class Watching(Unhurried):
    """One camera under one gate, with networks that are always in time: nothing is dropped."""

    vision: VisionCore
    now_s: float = 0.0
    begins: dict[str, tuple[Event, float]] = field(default_factory=dict)
    ends: dict[str, float] = field(default_factory=dict)
    pipeline: CameraPipeline = field(init=False)
    main: MainWatch = field(init=False)
    counters: Counters = field(default_factory=Counters)

    def __post_init__(self) -> None:
        self.pipeline = CameraPipeline(node="bench", camera="bench", emit=self._tell, evidence=None)

    def _tell(self, event: Event) -> None:
        self.begins.setdefault(event.visit, (event, self.now_s))
        self.ends[event.visit] = (event.ended_at or event.captured_at).timestamp() - _EPOCH

    def put(
        self,
        at: datetime,
        picture: MaskedPicture,
        boxes: tuple[Box, ...],
        before: Sequence[Glance] = (),
    ) -> None:
        """See :class:`edge.watching.gates.PictureSink`."""
        planes = picture.written()
        found = look(self.vision, [(planes, self.pipeline.region(planes, at, boxes))])[0]
        self.pipeline.feed(Scene(planes, at), found, boxes, before)
        self.main.hungry(self.pipeline.appetite_s())

    def put_glances(self, glances: Sequence[Glance]) -> None:
        """See :class:`edge.watching.gates.PictureSink`."""
        self.pipeline.glance(glances)

    def run(self, gate: Gate, main: EncodedLoop, sub: EncodedLoop) -> list[Seen]:
        """Watch one pass of both streams; the visits, in seconds of the pass."""
        trigger, masks = Trigger(), MaskBurner([])
        self.main = MainWatch(trigger, masks, self.counters, self, gate, LIMIT_PX)
        watches: list[tuple[LoopStream, MainWatch | SubWatch]] = [(LoopStream(main), self.main)]
        if gate is Gate.SUBSTREAM:
            watches.append((LoopStream(sub), SubWatch(trigger, masks, self.counters)))
        wakes = [0.01 * number for number in range(len(watches))]
        ticked_s = 0.0
        while min(wakes) <= main.seconds + LATER_S:
            self.now_s = min(wakes)
            which = wakes.index(self.now_s)
            stream, watch = watches[which]
            for packet in stream.until(self.now_s):
                stream.hurry(watch.packet(stream, packet))
            wakes[which] += stream.piece_s
            if self.now_s - ticked_s >= _TICK_S:
                ticked_s = self.now_s
                self.pipeline.tick(datetime.fromtimestamp(_EPOCH + self.now_s, UTC))
        self.pipeline.finish(datetime.fromtimestamp(_EPOCH + self.now_s, UTC))
        return [
            Seen(
                event.camera,
                event.kind.value,
                event.started_at.timestamp() - _EPOCH,
                self.ends[visit],
                told_s,
            )
            for visit, (event, told_s) in self.begins.items()
        ]


def bench(
    clips: Annotated[Path, typer.Option(help="A video, or a folder of them.")],
    gates: Annotated[str, typer.Option(help="Which gates, with commas.")] = "substream,keyframes",
    pieces: Annotated[int, typer.Option(min=1, help="At most so many pieces of 8 s a clip.")] = 4,
    as_json: JsonFlag = False,
) -> None:
    """Recall and delay of each gate against always, of all visits of whole clips.

    The clips play as 1080p25 with a sub-stream, each piece of 8 s after 12 s of its empty scene,
    in stream time: neither the network nor the load of the machine changes the result.
    """
    one_thread()
    chosen = [Gate(name.strip()) for name in gates.split(",")]
    store = model_store(None)
    result: dict[str, Any] = {gate.value: {"clips": {}} for gate in chosen}
    totals = {gate: Tally() for gate in chosen}
    with VisionCore.open(models_dir=store.models_dir, mirror=store.mirror) as vision:
        for clip in recordings(clips):
            source = whole(clip.stem, footage(clip, pieces=pieces))
            assert source.sub is not None
            always = Watching(vision).run(Gate.ALWAYS, source.main, source.sub)
            for gate in chosen:
                watching = Watching(vision)
                visits = watching.run(gate, source.main, source.sub)
                score, extra = compare(always, visits), compare(visits, always)
                totals[gate].add(score, extra)
                result[gate.value]["clips"][clip.name] = _entry(score, extra)
    for gate, tally in totals.items():
        result[gate.value] |= {"visits": tally.visits, "recall": tally.recall, "extra": tally.extra}
    _table(result)
    finish(result, as_json=as_json)


@dataclass(slots=True)
class Tally:
    """Visits of all clips: those that always told, those of them found, and others."""

    visits: int = 0
    found: int = 0
    extra: int = 0

    def add(self, score: Score, extra: Score) -> None:
        """One clip: how much of the reference was found, and of the other way round."""
        self.visits += score.expected
        self.found += score.found
        self.extra += extra.expected - extra.found

    @property
    def recall(self) -> float | None:
        """0 to 1; None when there was nothing to find."""
        return round(self.found / self.visits, 4) if self.visits else None


def _entry(score: Score, extra: Score) -> dict[str, Any]:
    return {
        "visits": score.expected,
        "recall": None if score.recall is None else round(score.recall, 4),
        "extra": extra.expected - extra.found,
        "delay_ms_p50": score.delay_ms_p50,
    }


def _table(result: dict[str, Any]) -> None:
    rows = [
        (gate, name[:40], str(one["visits"]), share(one["recall"]), str(one["extra"]))
        for gate, found in result.items()
        for name, one in [*found["clips"].items(), ("all", found)]
    ]
    show(
        f"Edge: visits told by each gate of those that always tells (pieces of {PIECE_S} s)",
        ("gate", "clip", "visits", "recall", "others told"),
        rows,
    )
