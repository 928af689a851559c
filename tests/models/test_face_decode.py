"""The vectorised decoding says exactly what a plain loop over the cells says."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.face_decode import (
    CHANNELS,
    SPAN,
    STRIDES,
    Candidates,
    decode_maps,
    decode_scrfd,
    decode_yunet,
    suppress,
)

HEIGHT, WIDTH = 64, 96


def yunet_outputs(seed: int, batch: int) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    outputs = {}
    for stride in STRIDES:
        cells = (HEIGHT // stride) * (WIDTH // stride)
        for name, channels in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            values = random.random((batch, cells, channels), np.float32)
            outputs[f"{name}_{stride}"] = values if channels == 1 else values * 4 - 2
    return outputs


def assert_same(found: Candidates, expected: list[tuple[float, ...]]) -> None:
    """Each row once, in whatever order: two scores may be equal in 32 bits and not in 64."""
    columns = (
        found.image[:, None],
        found.scores[:, None],
        found.boxes,
        found.landmarks.reshape(-1, 10),
    )
    left = np.array(expected, float).reshape(-1, 16)
    assert len(found.scores) == len(left)
    for row in np.concatenate(columns, axis=1).astype(float):
        nearest = int(np.abs(left - row).max(1).argmin())
        np.testing.assert_allclose(row, left[nearest], rtol=1e-4, atol=1e-3)
        left = np.delete(left, nearest, axis=0)


@given(
    seed=st.integers(0, 10_000), batch=st.integers(1, 3), threshold=st.sampled_from([0.3, 0.7, 0.9])
)
@settings(max_examples=20)
def test_yunet_against_a_loop(seed: int, batch: int, threshold: float) -> None:
    outputs = yunet_outputs(seed, batch)
    expected = []
    for stride in STRIDES:
        columns = WIDTH // stride
        for image in range(batch):
            for cell in range(columns * (HEIGHT // stride)):
                one = {
                    key: outputs[f"{key}_{stride}"][image, cell].astype(float)
                    for key in ("cls", "obj", "bbox", "kps")
                }
                if one["cls"][0] * one["obj"][0] < threshold**2:
                    continue
                column, row = cell % columns, cell // columns
                width, height = (math.exp(one["bbox"][i]) * stride for i in (2, 3))
                left = (column + one["bbox"][0]) * stride - width / 2
                top = (row + one["bbox"][1]) * stride - height / 2
                points = [
                    (value + (column if index % 2 == 0 else row)) * stride
                    for index, value in enumerate(one["kps"])
                ]
                score = math.sqrt(one["cls"][0] * one["obj"][0])
                expected.append((image, score, left, top, width, height, *points))
    assert_same(decode_yunet(outputs, WIDTH, threshold), expected)


def own_outputs(seed: int, batch: int) -> dict[str, NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    return {
        f"face_{stride}": random.normal(
            0, 1.5, (batch, CHANNELS, HEIGHT // stride, WIDTH // stride)
        ).astype(np.float32)
        for stride in STRIDES
    }


@given(
    seed=st.integers(0, 10_000), batch=st.integers(1, 3), threshold=st.sampled_from([0.3, 0.7, 0.9])
)
@settings(max_examples=20)
def test_our_own_maps_against_a_loop(seed: int, batch: int, threshold: float) -> None:
    outputs = own_outputs(seed, batch)
    expected = []
    for stride in STRIDES:
        level = outputs[f"face_{stride}"].astype(float)
        for image, row, column in np.ndindex(batch, *level.shape[2:]):
            score, *raw = level[image, :, row, column].tolist()
            if score < math.log(threshold / (1 - threshold)):
                continue
            centre = ((column + 0.5) * stride, (row + 0.5) * stride)
            told = [value * SPAN * stride + centre[i % 2] for i, value in enumerate(raw)]
            left, top, right, bottom = told[:4]
            box = (left, top, max(right - left, 0.0), max(bottom - top, 0.0))
            expected.append((image, 1 / (1 + math.exp(-score)), *box, *told[4:]))
    assert_same(decode_maps(outputs, threshold), expected)


def test_scrfd_takes_two_anchors_per_cell() -> None:
    random = np.random.default_rng(5)
    shapes = [(HEIGHT // stride) * (WIDTH // stride) * 2 for stride in STRIDES]
    outputs = [random.random((n, c), np.float32) for c in (1, 4, 10) for n in shapes]
    found = decode_scrfd(outputs, WIDTH, 0.5)
    expected = []
    for level, stride in enumerate(STRIDES):
        for anchor in range(shapes[level]):
            score = float(outputs[level][anchor, 0])
            if score >= 0.5:
                x = anchor // 2 % (WIDTH // stride) * stride
                y = anchor // 2 // (WIDTH // stride) * stride
                left, top, right, bottom = (float(v) * stride for v in outputs[level + 3][anchor])
                points = [
                    float(v) * stride + (x, y)[i % 2]
                    for i, v in enumerate(outputs[level + 6][anchor])
                ]
                expected.append((0, score, x - left, y - top, left + right, top + bottom, *points))
    assert_same(found, expected)


def candidates(boxes: list[list[float]], scores: list[float], images: list[int]) -> Candidates:
    count = len(boxes)
    return Candidates(
        np.array(images, np.intp),
        np.array(boxes, np.float32).reshape(count, 4),
        np.zeros((count, 5, 2), np.float32),
        np.array(scores, np.float32),
    )


def test_of_overlapping_boxes_the_best_stays_and_pictures_do_not_touch() -> None:
    box = [10.0, 10.0, 40.0, 40.0]
    shifted = [12.0, 10.0, 40.0, 40.0]
    found = suppress(
        candidates([box, shifted, shifted, [80, 80, 9, 9]], [0.7, 0.9, 0.8, 0.95], [0, 0, 1, 0]),
        0.45,
    )
    assert found.scores.tolist() == pytest.approx([0.95, 0.9, 0.8])
    assert found.image.tolist() == [0, 0, 1]


def test_nothing_found_is_nothing() -> None:
    assert len(suppress(candidates([], [], []), 0.4).scores) == 0
    zeros = {name: np.zeros_like(value) for name, value in yunet_outputs(1, 2).items()}
    assert len(decode_yunet(zeros, WIDTH, 0.5).scores) == 0


def test_outputs_that_overflow_stay_finite() -> None:
    outputs = yunet_outputs(2, 1)
    for stride in STRIDES:
        outputs[f"bbox_{stride}"][:] = 1e4
    assert np.isfinite(decode_yunet(outputs, WIDTH, 0.1).boxes[:, 2:]).all()
