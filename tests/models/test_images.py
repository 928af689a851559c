"""Whatever file a person drops in becomes blue-green-red bytes, or a sentence why not."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as PillowImage
from PIL import ImageOps

from config.errors import UserError
from models.images import decode_image, load_image

RED = (255, 0, 0)
pytestmark = [
    pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:PIL"),
]


def saved(path: Path, picture: PillowImage.Image, **options: object) -> Path:
    picture.save(path, **options)  # type: ignore[arg-type]
    return path


@pytest.mark.parametrize(
    ("mode", "colour", "suffix"),
    [
        ("RGB", RED, "png"),
        ("RGB", RED, "bmp"),
        ("RGBA", (*RED, 255), "png"),
        ("P", RED, "png"),
        ("CMYK", (0, 255, 255, 0), "tiff"),
        ("CMYK", (0, 255, 255, 0), "jpg"),
    ],
)
def test_red_stays_red_whatever_the_kind(
    tmp_path: Path, mode: str, colour: tuple[int, ...], suffix: str
) -> None:
    if mode == "P":
        picture = PillowImage.new("RGB", (20, 10), colour).convert("P")
    else:
        picture = PillowImage.new(mode, (20, 10), colour)
    image = load_image(saved(tmp_path / f"red.{suffix}", picture))
    assert image.shape == (10, 20, 3)
    assert image.dtype == np.uint8
    blue, green, red = image[5, 10]
    assert red > 200
    assert max(blue, green) < 60


def test_grey_and_sixteen_bit_become_three_equal_planes(tmp_path: Path) -> None:
    grey = load_image(saved(tmp_path / "grey.png", PillowImage.new("L", (8, 6), 100)))
    assert (grey == 100).all()
    deep = np.full((6, 8), 100 * 257, np.uint16)
    cv2.imwrite(str(tmp_path / "deep.png"), deep)
    assert (load_image(tmp_path / "deep.png") == 100).all()
    colour = np.full((6, 8, 3), (10 * 257, 20 * 257, 30 * 257), np.uint16)
    cv2.imwrite(str(tmp_path / "deep_colour.png"), colour)
    assert load_image(tmp_path / "deep_colour.png")[3, 3].tolist() == [10, 20, 30]


def test_a_sideways_photograph_is_turned_upright(tmp_path: Path) -> None:
    picture = PillowImage.new("RGB", (40, 20))
    exif = PillowImage.Exif()
    exif[0x0112] = 6
    assert load_image(saved(tmp_path / "turned.jpg", picture, exif=exif)).shape == (40, 20, 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_is_turned_as_pillow_turns_it(orientation: int) -> None:
    picture = PillowImage.fromarray(
        np.random.default_rng(0).integers(0, 256, (3, 5, 3), np.uint8), "RGB"
    )
    exif, file = PillowImage.Exif(), io.BytesIO()
    exif[0x0112] = orientation
    picture.save(file, "PNG", exif=exif)
    with PillowImage.open(file) as saved_picture:
        upright = np.asarray(ImageOps.exif_transpose(saved_picture))
    assert (decode_image(file.getvalue(), where="upload") == upright[..., ::-1]).all()


@pytest.mark.parametrize(
    "tag",
    [
        b"\x1a\x01\x02\x00\x04\x00\x00\x00abc\x00",
        b"\x32\x01\x05\x00\x01\x00\x00\x00\x08\x00\x00\x00",
    ],
    ids=["resolution is a text", "date is a fraction"],
)
def test_a_tag_that_a_camera_filled_wrongly_does_not_spoil_the_photograph(
    tag: bytes,
) -> None:
    turned = b"\x12\x01\x03\x00\x01\x00\x00\x00\x06\x00\x00\x00"
    exif = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x02\x00" + turned + tag + b"\x00" * 4
    file = io.BytesIO()
    PillowImage.new("RGB", (40, 20), RED).save(file, "JPEG", exif=exif)
    assert decode_image(file.getvalue(), where="upload").shape == (40, 20, 3)


def test_exif_that_is_none_at_all_leaves_the_picture_as_it_lies() -> None:
    file = io.BytesIO()
    PillowImage.new("RGB", (40, 20), RED).save(file, "PNG", exif=b"Exif\x00\x00garbage")
    assert decode_image(file.getvalue(), where="upload").shape == (20, 40, 3)


def test_what_is_transparent_is_black(tmp_path: Path) -> None:
    image = load_image(saved(tmp_path / "glass.png", PillowImage.new("RGBA", (8, 8), (*RED, 0))))
    assert image.max() == 0


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (500, 1)])
def test_a_picture_of_one_pixel_is_too_small(tmp_path: Path, size: tuple[int, int]) -> None:
    with pytest.raises(UserError, match="too small"):
        load_image(saved(tmp_path / "dot.png", PillowImage.new("RGB", size)))


def test_a_hundred_megapixels_are_refused_before_they_are_decoded(tmp_path: Path) -> None:
    path = saved(tmp_path / "huge.png", PillowImage.new("1", (10_000, 10_000)))
    with pytest.raises(UserError, match="too large"):
        load_image(path)


def test_a_decompression_bomb_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path / "bomb.png", PillowImage.new("1", (20_000, 20_000)))
    with pytest.raises(UserError, match="too large"):
        load_image(path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_named(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "fake.jpg"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"fake\.jpg"):
        load_image(path)


def test_a_tag_of_the_wrong_kind_is_a_sentence_too() -> None:
    """Pillow seeks to where the strips are, which here is a text."""
    file = io.BytesIO()
    PillowImage.new("RGB", (40, 30), RED).save(file, "TIFF")
    strips, text = b"\x11\x01\x04\x00", b"\x11\x01\x02\x00"
    spoilt = file.getvalue().replace(strips, text)
    assert spoilt != file.getvalue()
    with pytest.raises(UserError, match="upload"):
        decode_image(spoilt, where="upload")


def test_an_absent_file_and_a_folder_are_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.jpg", tmp_path):
        with pytest.raises(UserError) as caught:
            load_image(path)
        assert caught.value.where == str(path)


@given(cut=st.integers(0, 3000), flips=st.lists(st.integers(0, 2999), max_size=5))
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF"])
def test_a_damaged_file_is_a_picture_or_a_sentence(
    tmp_path: Path, kind: str, cut: int, flips: list[int]
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 40, 3), np.uint8)
    buffer = io.BytesIO()
    PillowImage.fromarray(noise).save(buffer, kind)
    damaged = bytearray(buffer.getvalue()[: max(cut, 1)])
    for place in flips:
        damaged[place % len(damaged)] ^= 0x5A
    path = tmp_path / "damaged"
    path.write_bytes(damaged)
    try:
        image = load_image(path)
    except UserError as error:
        assert error.remedy
    else:
        assert image.dtype == np.uint8
        assert image.ndim == 3
