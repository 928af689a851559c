"""Live view on the wire: what node and centre say to each other, and a backlog that stays small."""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Literal

from pydantic import Field, TypeAdapter

from config.discovery import TryCamera
from config.event import Frozen, Name
from config.household import Enrol

LINK_PATH = "/v1/live"
"""Where a node opens its WebSocket at the centre."""
MESSAGE_LIMIT_BYTES = 4 * 1024 * 1024
"""The largest message: one key frame of a large picture, with room to spare."""
COMMAND_LIMIT_BYTES = 4096

Stream = Literal["sub", "main"]
Mode = Literal["video", "stills"]
Channel = Annotated[int, Field(ge=1, lt=2**32)]
StateCode = Literal["camera_offline", "node_offline", "unknown_camera", "masked", "unreadable"]


class LiveStart(Frozen):
    """Centre to node: send this camera under this channel number.

    A node answers ``video`` with stills where the camera has privacy masks, which cannot be burnt
    into a stream that is not decoded, and ``sub`` with the main stream where there is no other.
    """

    type: Literal["start"] = "start"
    channel: Channel
    camera: Name
    stream: Stream = "sub"
    mode: Mode = "video"


class LiveStop(Frozen):
    """Centre to node: nobody looks at this channel any more."""

    type: Literal["stop"] = "stop"
    channel: Channel


class Discover(Frozen):
    """Centre to node: search your network for cameras, and report what answers."""

    type: Literal["discover"] = "discover"


class LiveState(Frozen):
    """Node to centre: why a channel has no pictures, or only stills. Words are the centre's."""

    type: Literal["state"] = "state"
    channel: Channel
    code: StateCode


Errand = Discover | TryCamera | Enrol
"""What a node does once and reports over HTTP."""
Command = LiveStart | LiveStop | Errand
_COMMAND: TypeAdapter[Command] = TypeAdapter(Annotated[Command, Field(discriminator="type")])


def parse_command(data: str | bytes) -> Command:
    """A command of the centre.

    Raises:
        ValueError: it is not one (pydantic's ValidationError is a ValueError).
    """
    _refuse_long(data)
    return _COMMAND.validate_json(data)


def parse_state(data: str | bytes) -> LiveState:
    """What a node says of a channel; raises ValueError as :func:`parse_command` does."""
    _refuse_long(data)
    return LiveState.model_validate_json(data)


def _refuse_long(data: str | bytes) -> None:
    if len(data) > COMMAND_LIMIT_BYTES:
        raise ValueError("the message is too long for a command")


class FrameKind(IntEnum):
    """What a binary message carries."""

    INIT = 1
    """Length of the codec string (1 byte), the codec string (RFC 6381), ``ftyp`` and ``moov``."""
    FRAGMENT = 2
    """``moof`` and ``mdat`` with one picture (ISO/IEC 14496-12)."""
    STILL = 3
    """One JPEG, masks burnt in."""


_HEADER = struct.Struct(">BBIQ")
HEADER_BYTES = _HEADER.size
_KEY = 1


@dataclass(frozen=True, slots=True)
class LiveFrame:
    """One binary message with its header read; forwarded as it came, never copied.

    The header is 14 bytes, big-endian: kind (1), flags (1; bit 0: decoding can start here),
    channel (4), Unix milliseconds of the picture's arrival at the node (8).
    """

    kind: FrameKind
    is_key: bool
    channel: int
    at_ms: int
    packed: bytes

    @classmethod
    def make(
        cls, kind: FrameKind, *, channel: int, at_ms: int, payload: bytes, is_key: bool = True
    ) -> LiveFrame:
        """A message with this payload."""
        flags = _KEY if is_key else 0
        packed = _HEADER.pack(kind, flags, channel, at_ms) + payload
        return cls(kind, is_key, channel, at_ms, packed)

    @classmethod
    def unpack(cls, packed: bytes) -> LiveFrame:
        """Read the header of a message.

        Raises:
            ValueError: too short, too long, or of a kind that is not known.
        """
        if not HEADER_BYTES < len(packed) <= MESSAGE_LIMIT_BYTES:
            raise ValueError("a live message of this length is not possible")
        kind, flags, channel, at_ms = _HEADER.unpack_from(packed)
        return cls(FrameKind(kind), bool(flags & _KEY), channel, at_ms, packed)

    @property
    def payload(self) -> bytes:
        """What follows the header."""
        return self.packed[HEADER_BYTES:]


class Backlog:
    """Messages of one channel that a slow reader has not taken yet, bounded in bytes and number.

    When full it forgets the fragments it holds and goes on at the next key frame: a reader that
    cannot follow sees jumps, not a growing delay, and costs no more memory than this. Of stills
    only the newest is kept. An init segment is never forgotten before it is taken.
    """

    def __init__(self, *, max_bytes: int = 3 * MESSAGE_LIMIT_BYTES, max_frames: int = 300) -> None:
        self._max_bytes = max_bytes
        self._max_frames = max_frames
        self._init: LiveFrame | None = None
        self._frames: deque[LiveFrame] = deque()
        self._bytes = 0
        self._needs_key = True
        self.skipped = 0
        """Fragments that were forgotten."""

    @property
    def bytes(self) -> int:
        """Bytes of fragments and stills held."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._frames) + (self._init is not None)

    def push(self, frame: LiveFrame) -> None:
        """Add the next message of the channel."""
        if frame.kind is FrameKind.INIT:
            self._forget()
            self._init = frame
            return
        if frame.kind is FrameKind.STILL or self._is_full(frame):
            self._forget()
        if frame.kind is FrameKind.FRAGMENT and self._needs_key and not frame.is_key:
            self.skipped += 1
            return
        self._needs_key = False
        self._frames.append(frame)
        self._bytes += len(frame.packed)

    def pop(self) -> LiveFrame | None:
        """The oldest message, or None."""
        if self._init is not None:
            frame, self._init = self._init, None
            return frame
        if not self._frames:
            return None
        frame = self._frames.popleft()
        self._bytes -= len(frame.packed)
        return frame

    def _is_full(self, frame: LiveFrame) -> bool:
        too_many = len(self._frames) >= self._max_frames
        return too_many or self._bytes + len(frame.packed) > self._max_bytes

    def _forget(self) -> None:
        self.skipped += len(self._frames)
        self._frames.clear()
        self._bytes = 0
        self._needs_key = True
