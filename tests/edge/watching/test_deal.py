"""Which group watches which camera when cameras come, go or change."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from config.site import Gate
from edge.watching.camera import CameraSpec
from edge.watching.group import deal


def specs(*names: str) -> tuple[CameraSpec, ...]:
    return tuple(CameraSpec(id=name, url=f"rtsp://192.0.2.1/{name}") for name in names)


def names(groups: list[tuple[CameraSpec, ...]]) -> list[str]:
    return ["".join(spec.id for spec in group) for group in groups]


def test_a_camera_more_goes_where_there_is_room_and_disturbs_no_other_group() -> None:
    groups = [specs("a", "b"), specs("c")]
    assert names(deal(groups, specs("a", "b", "c", "d"), 2)) == ["ab", "cd"]
    assert names(deal(groups, specs("d", "c", "b", "a", "e"), 2)) == ["ab", "cd", "e"]
    assert names(deal(groups, specs("b"), 2)) == ["b", ""]
    assert names(deal([], specs("a", "b", "c"), 2)) == ["ab", "c"]


@given(
    before=st.lists(st.sampled_from("abcdefghij"), unique=True),
    wanted=st.lists(st.sampled_from("abcdefghij"), unique=True),
    size=st.integers(1, 4),
)
def test_everybody_is_watched_once_and_who_stays_stays_where_he_was(
    before: list[str], wanted: list[str], size: int
) -> None:
    first = deal([], specs(*before), size)
    then = deal(first, specs(*wanted), size)
    assert sorted("".join(names(then))) == sorted(wanted)
    assert all(len(group) <= size for group in then)
    for number, group in enumerate(first):
        staying = [spec.id for spec in group if spec.id in wanted]
        assert [spec.id for spec in then[number]][: len(staying)] == staying


def test_masks_and_gate_alone_read_the_same_streams_and_another_address_does_not() -> None:
    plain = CameraSpec(id="a", url="rtsp://192.0.2.1/a", sub_url="rtsp://192.0.2.1/b")
    mask = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0))

    def like(**changes: object) -> bool:
        values = {"id": plain.id, "url": plain.url, "sub_url": plain.sub_url} | changes
        return plain.reads_like(CameraSpec(**values))  # type: ignore[arg-type]

    assert like(masks=(mask,))
    assert like(gate=Gate.SUBSTREAM)
    assert not like(gate=Gate.ALWAYS), "the sub-stream would be read for nothing"
    assert not like(url="rtsp://192.0.2.2/a")
    assert not like(sub_url=None)
