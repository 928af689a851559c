"""Pictures from a decode child to its parent by shared memory: a full ring drops the oldest."""

from __future__ import annotations

import mmap
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from multiprocessing.synchronize import Lock

import numpy as np
import numpy.typing as npt

from edge.events.geometry import Box
from edge.watching.planar import MaskedPicture, planar_bytes, planes_in
from edge.watching.trigger import MOST_GLANCES, Glance
from models.planes import PlanarFrame

_MAX_BOXES = 12
_FREE, _WRITING, _READY, _READING = range(4)
_GLANCE = np.dtype([("at_s", "f8"), ("count", "u1"), ("boxes", "f4", (_MAX_BOXES, 4))])
_SLOT = np.dtype(
    [
        ("state", "u1"),
        ("camera", "u2"),
        ("order", "u8"),
        ("at_s", "f8"),
        ("width", "u4"),
        ("height", "u4"),
        ("box_count", "u1"),
        ("boxes", "f4", (_MAX_BOXES, 4)),
        ("glance_count", "u1"),
        ("glances", _GLANCE, (MOST_GLANCES,)),
    ]
)
_LOCK_TIMEOUT_S = 2.0
FEWEST_SLOTS = 3


class RingBrokenError(Exception):
    """The other side died while it held the lock; the ring and its child must be replaced."""


@dataclass(frozen=True, slots=True, eq=False)
class RingFrame:
    """One picture in shared memory; valid until :meth:`FrameRing.release`.

    ``picture`` has its masks burnt in; ``at`` in UTC; ``boxes`` what moved; ``before`` what moved
    since the camera's last picture, which is all that there is where ``picture`` is None.
    """

    camera: int
    at: datetime
    picture: PlanarFrame | None
    boxes: tuple[Box, ...]
    slot: int
    before: tuple[Glance, ...] = ()


class FrameRing:
    """A fixed number of slots in anonymous shared memory (memfd), written by one child.

    Pixels are copied once, into the slot; nothing is pickled. Only slot states change under the
    lock, so neither side ever waits for the other's copying.
    """

    def __init__(
        self, fd: int, lock: Lock, *, slots: int, slot_bytes: int, bell: int | None = None
    ) -> None:
        self.slots = slots
        self.slot_bytes = slot_bytes
        self.fd = fd
        self.bell = bell
        """An eventfd(2) that rings for each new picture, so that its reader can sleep."""
        self._lock = lock
        self._memory = mmap.mmap(fd, _size(slots, slot_bytes))
        self._table = np.frombuffer(self._memory, _SLOT, count=slots)
        self._order = 0

    @classmethod
    def create(cls, lock: Lock, *, slots: int, slot_bytes: int) -> FrameRing:
        """A new, empty ring. Memory is taken only as slots are first used."""
        fd = os.memfd_create("menshen-frames")
        os.ftruncate(fd, _size(slots, slot_bytes))
        bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        return cls(fd, lock, slots=slots, slot_bytes=slot_bytes, bell=bell)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=_LOCK_TIMEOUT_S):
            raise RingBrokenError
        try:
            yield
        finally:
            self._lock.release()

    def put(
        self,
        camera: int,
        at: datetime,
        picture: MaskedPicture | None,
        boxes: tuple[Box, ...],
        before: Sequence[Glance] = (),
    ) -> int | None:
        """Copy a picture in, if there is one; returns the camera that lost one for it, or None.

        The loser is the oldest picture of the busiest camera, or this one when every slot is
        being read.

        Raises:
            ValueError: the picture is larger than a slot.
            RingBrokenError: the parent died with the lock.
        """
        height, width = (0, 0) if picture is None else (picture.height, picture.width)
        size = planar_bytes(height, width)
        if size > self.slot_bytes:
            raise ValueError(f"picture of {size} bytes; a slot has {self.slot_bytes}")
        with self._locked():
            slot, victim = self._claim()
            if slot is None:
                return camera
            self._table[slot]["camera"] = camera
            self._table[slot]["state"] = _WRITING
        if picture is not None:
            picture.write(self._planes(slot, height, width))
        row = self._table[slot]
        row["at_s"] = at.timestamp()
        row["height"], row["width"] = height, width
        row["box_count"] = _write_boxes(row["boxes"], boxes)
        row["glance_count"] = len(before[-MOST_GLANCES:])
        for place, glance in zip(row["glances"], before[-MOST_GLANCES:], strict=False):
            place["at_s"] = glance.utc_s
            place["count"] = _write_boxes(place["boxes"], glance.boxes)
        with self._locked():
            self._order += 1
            row["order"], row["state"] = self._order, _READY
        if self.bell is not None:
            os.eventfd_write(self.bell, 1)
        return victim

    def has_room(self, camera: int, share: int) -> bool:
        """Whether a slot is free, and fewer than ``share`` hold pictures of ``camera``."""
        used = self._table["state"] != _FREE
        held = np.count_nonzero(used & (self._table["camera"] == camera))
        return bool(held < share and not used.all())

    @property
    def waiting(self) -> int:
        """Pictures that nobody has taken yet."""
        return int((self._table["state"] == _READY).sum())

    def _claim(self) -> tuple[int | None, int | None]:
        free = np.flatnonzero(self._table["state"] == _FREE)
        if free.size:
            return int(free[0]), None
        # The busiest camera pays, so that one cannot push another's pictures out.
        ready = self._ready()
        if not ready:
            return None, None
        busiest = Counter(int(self._table[i]["camera"]) for i in ready).most_common(1)[0][0]
        slot = next(i for i in ready if int(self._table[i]["camera"]) == busiest)
        return slot, busiest

    def _ready(self) -> list[int]:
        ready = np.flatnonzero(self._table["state"] == _READY)
        return sorted((int(i) for i in ready), key=lambda i: int(self._table[i]["order"]))

    def take(self) -> RingFrame | None:
        """The oldest picture waiting, without copying it; None when there is none.

        Raises:
            RingBrokenError: the child died with the lock.
        """
        with self._locked():
            ready = self._ready()
            if not ready:
                return None
            slot = ready[0]
            self._table[slot]["state"] = _READING
        row = self._table[slot]
        height, width = int(row["height"]), int(row["width"])
        return RingFrame(
            camera=int(row["camera"]),
            at=datetime.fromtimestamp(float(row["at_s"]), UTC),
            picture=self._planes(slot, height, width) if width else None,
            boxes=_read_boxes(row["boxes"], row["box_count"]),
            slot=slot,
            before=tuple(
                Glance(float(one["at_s"]), _read_boxes(one["boxes"], one["count"]))
                for one in row["glances"][: row["glance_count"]]
            ),
        )

    def release(self, frame: RingFrame) -> None:
        """Give the slot back; the frame's picture must not be used afterwards."""
        with self._locked():
            self._table[frame.slot]["state"] = _FREE

    def _planes(self, slot: int, height: int, width: int) -> PlanarFrame:
        start = self.slots * _SLOT.itemsize + slot * self.slot_bytes
        memory = np.frombuffer(self._memory, np.uint8, self.slot_bytes, start)
        return planes_in(memory, height, width)

    def close(self) -> None:
        """Close the descriptor; memory goes when the last picture of it is forgotten."""
        os.close(self.fd)
        if self.bell is not None:
            os.close(self.bell)

    def hear(self) -> None:
        """Silence the bell."""
        if self.bell is not None:
            with suppress(BlockingIOError):
                os.eventfd_read(self.bell)


def _write_boxes(place: npt.NDArray[np.float32], boxes: Sequence[Box]) -> int:
    """Put boxes into their place in the table; how many there is room for."""
    count = min(len(boxes), _MAX_BOXES)
    place[:count] = np.array(boxes[:count], "f4").reshape(-1, 4)
    return count


def _read_boxes(place: npt.NDArray[np.float32], count: int) -> tuple[Box, ...]:
    return tuple((box[0], box[1], box[2], box[3]) for box in place[:count].tolist())


def _size(slots: int, slot_bytes: int) -> int:
    # One slot is being written and one read at any time: fewer than three would leave none.
    if slots < FEWEST_SLOTS or slot_bytes <= 0:
        raise ValueError(f"a ring needs at least {FEWEST_SLOTS} slots of a positive size")
    return slots * (_SLOT.itemsize + slot_bytes)
