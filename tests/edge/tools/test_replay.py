"""Recordings: the same file gives the same events, whatever the machine is doing."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from PIL import Image as Pillow

from config.errors import UserError
from edge.streams.stream import StreamError, StreamPacket, VideoStream
from edge.tools.replay import contact_sheet, recordings, replay, write_annotated
from models.planes import Picture, PlanarFrame
from models.types import Detections, FaceDetection
from tests.edge.cameras import encode_clip
from tests.edge.scripted import face


class SeesAFaceOnTheSquare:
    """Stands in for the networks: the bright square of our clip is a face."""

    def analyse(
        self, images: Sequence[Picture], *, whole_px: Sequence[int] | None = None
    ) -> list[Detections]:
        found = []
        for image in images:
            assert isinstance(image, PlanarFrame)
            rows, columns = (image.luma > 200).nonzero()
            faces: tuple[FaceDetection, ...] = ()
            if columns.size:
                shot = face(0, 0.8)
                shot.box[:] = (columns.min(), rows.min(), 50, 50)
                faces = (shot,)
            found.append(Detections((), faces))
        return found


def all_packets(stream: VideoStream) -> Iterator[StreamPacket]:
    with contextlib.suppress(StreamError):
        yield from stream.packets()


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return encode_clip(tmp_path_factory.mktemp("recording") / "yard.mp4", seconds=8)


def test_a_recording_is_written_with_what_was_found_drawn_in(clip: Path, tmp_path: Path) -> None:
    found = replay(clip, vision=SeesAFaceOnTheSquare())
    write_annotated(found, tmp_path / "found.mp4")
    stream = VideoStream.open(str(tmp_path / "found.mp4"), camera="found")
    pictures = [
        picture.bgr() for packet in all_packets(stream) for picture in stream.decode(packet)
    ]
    stream.close()
    assert len(pictures) >= 70
    green = [int(((p[:, :, 1] > 180) & (p[:, :, 2] < 140)).sum()) for p in pictures]
    assert green[0] == 0, "at first there is no face"
    assert max(green) > 100, "the frame around it is green"


def test_a_video_that_cannot_be_written_says_so(clip: Path, tmp_path: Path) -> None:
    found = replay(clip, vision=SeesAFaceOnTheSquare())
    with pytest.raises(UserError, match="mp4"):
        write_annotated(found, tmp_path / "nowhere" / "found.mp4")


def test_the_same_recording_gives_the_same_events(clip: Path) -> None:
    first, second = (replay(clip, vision=SeesAFaceOnTheSquare()) for _ in range(2))
    assert first.as_json() == second.as_json()
    assert first.decoded == 80
    kinds = [event.kind.value for event in first.events]
    assert kinds.count("face") >= 1
    assert all(event.ended_at is not None for event in first.events)
    item = first.as_json()["events"][0]
    assert 0 <= item["start_s"] <= item["best_s"] <= item["end_s"] <= 8.5


def test_the_contact_sheet_shows_every_event(clip: Path) -> None:
    found = replay(clip, vision=SeesAFaceOnTheSquare())
    sheet = contact_sheet([found])
    assert sheet is not None
    with Pillow.open(io.BytesIO(sheet)) as picture:
        assert picture.width == 320 * min(4, len(found.events))
    found.visits.clear()
    assert contact_sheet([found]) is None


def test_a_folder_is_played_in_order_and_an_empty_or_foreign_one_refused(
    clip: Path, tmp_path: Path
) -> None:
    with pytest.raises(UserError, match="no recording"):
        recordings(tmp_path)
    for name in ("b.mp4", "a.MP4", "notes.txt"):
        (tmp_path / name).write_bytes(b"no video")
    assert [path.name for path in recordings(tmp_path)] == ["a.MP4", "b.mp4"]
    with pytest.raises(UserError, match="convert it"):
        replay(tmp_path / "b.mp4", vision=SeesAFaceOnTheSquare())
