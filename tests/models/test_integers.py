"""Integer networks made from the shipped float ones answer nearly alike, in bytes throughout."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

from models.catalogue import WEIGHTS
from models.session import Session, open_session
from models.training.integers.scales import Scales, find_scales
from models.training.integers.steps import Convolution, Doubling, Steps, Sum, read_steps
from models.training.integers.writer import Writer, taken_together
from tests.models.tiny_onnx import identity

DETECTOR = WEIGHTS / "plate_detector.onnx"
FACES = WEIGHTS / "face_plate_detector.onnx"
READER = WEIGHTS / "plate_reader.onnx"
SIZES = {DETECTOR: (96, 160), FACES: (96, 160), READER: (48, 160)}
Pictures = NDArray[np.uint8]


def pictures(count: int, size: tuple[int, int], seed: int) -> Pictures:
    """Blocks of colour with noise: something for every layer to answer to."""
    rng = np.random.default_rng(seed)
    blocks = rng.integers(0, 256, (count, size[0] // 16, size[1] // 16, 3))
    wide = blocks.repeat(16, axis=1).repeat(16, axis=2)
    return np.clip(wide + rng.normal(0, 12, wide.shape), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module", params=[DETECTOR, FACES, READER], ids=["plates", "faces", "reader"])
def source(request: pytest.FixtureRequest) -> Path:
    return Path(request.param)


@pytest.fixture(scope="module")
def steps(source: Path) -> Steps:
    return read_steps(source)


@pytest.fixture(scope="module")
def scales(source: Path, steps: Steps) -> Scales:
    return find_scales(steps, [pictures(4, SIZES[source], seed) for seed in range(3)])


@pytest.fixture(scope="module")
def written(
    steps: Steps, scales: Scales, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Session]:
    path = tmp_path_factory.mktemp("integers") / "integers.onnx"
    Writer(steps, scales).write(path, {"quantised": "for a test"})
    with open_session(path) as session:
        yield session


def test_the_integers_answer_nearly_as_the_floats(source: Path, written: Session) -> None:
    seen = pictures(6, SIZES[source], seed=9)
    with open_session(source) as session:
        (name,) = session.input_shapes
        wanted, said = session.run({name: seen}), written.run({name: seen})
        assert written.input_shapes == session.input_shapes
        assert written.output_shapes == session.output_shapes
        assert set(session.metadata.items()) < set(written.metadata.items())
    for key, answer in wanted.items():
        assert said[key].shape == answer.shape
        assert np.corrcoef(answer.ravel(), said[key].ravel())[0, 1] > 0.97


def test_one_of_several_pictures_is_answered_as_it_is_alone(source: Path, written: Session) -> None:
    (name,) = written.input_shapes
    seen = pictures(3, SIZES[source], seed=10)
    together, alone = written.run({name: seen}), written.run({name: seen[1:2]})
    for key, answer in alone.items():
        assert np.abs(together[key][1] - answer[0]).max() < 1e-4


@pytest.mark.parametrize("size", [(32, 32), (32, 640), (384, 64)])
def test_a_detector_takes_pictures_of_any_size(tmp_path: Path, size: tuple[int, int]) -> None:
    steps = read_steps(DETECTOR)
    Writer(steps, find_scales(steps, [pictures(1, (96, 160), seed=3)])).write(
        tmp_path / "i.onnx", {}
    )
    with open_session(tmp_path / "i.onnx") as session:
        said = session.run({"images": pictures(1, size, seed=11)})
    assert said["map_32"].shape == (1, 10, size[0] // 32, size[1] // 32)


def test_bytes_are_what_is_handed_on_from_layer_to_layer(steps: Steps, written: Session) -> None:
    kinds = [node.op_type for node in onnx.load(str(written.path)).graph.node]
    assert kinds.count("QLinearConv") == len(steps.convolutions) - len(steps.maps)
    assert kinds.count("QLinearAdd") == sum(isinstance(step, Sum) for step in steps.taken)
    assert kinds.count("MatMulIntegerToFloat") == len(steps.maps)
    assert kinds.count("DequantizeLinear") == len(steps.answers) - len(steps.maps)
    assert kinds.count("QuantizeLinear") == (0 if steps.of_bytes else 1)
    assert "Conv" not in kinds


def test_steps_are_small_enough_for_cpus_without_vnni(steps: Steps, scales: Scales) -> None:
    for step in steps.convolutions:
        whole = Scales.whole_weights(step)
        assert np.abs(whole).max() <= 64
        back = whole * Scales.of_weights(step)[:, None, None, None]
        largest = np.abs(step.weight).reshape(len(step.weight), -1).max(1)
        off = np.abs(back - step.weight).reshape(len(step.weight), -1).max(1)
        assert (off <= largest / 128 + 1e-6).all()
    assert all(size > 0 for size in scales.sizes.values())


def test_what_is_cut_off_at_zero_begins_there(steps: Steps, scales: Scales) -> None:
    for step in steps.taken:
        if not isinstance(step, Doubling) and step.positive:
            assert scales.zero(step.target) == 0
        elif isinstance(step, Convolution) and step.target not in steps.maps:
            assert scales.zero(step.target) == 128


def test_a_first_layer_that_takes_four_pixels_together_gives_the_same() -> None:
    rng = np.random.default_rng(5)
    weight = rng.normal(size=(16, 3, 3, 3)).astype(np.float32)
    seen = pictures(1, (32, 64), seed=5)[0].astype(np.float32)
    blocks = seen.reshape(32, 16, 12)
    own = slid(blocks, taken_together(weight), strides=(2, 1), pads=(1, 1)).reshape(16, 32, 16)
    expected = slid(seen, weight, strides=(2, 2), pads=(1, 1))[:, :32]
    assert np.allclose(own, expected, rtol=1e-4, atol=1e-2)


def slid(
    seen: NDArray[np.float32],
    weight: NDArray[np.float32],
    *,
    strides: tuple[int, int],
    pads: tuple[int, int],
) -> NDArray[np.float32]:
    """A convolution, place by place: (h, w, c) and (o, c, kh, kw) to (h', w', o)."""
    high, wide = weight.shape[2:]
    padded = np.pad(seen, ((pads[0], 0), (pads[1], 0), (0, 0)))
    rows = range(0, padded.shape[0] - high + 1, strides[0])
    columns = range(0, padded.shape[1] - wide + 1, strides[1])
    cut = [[padded[y : y + high, x : x + wide] for x in columns] for y in rows]
    return np.einsum("yxhwc,ochw->yxo", np.array(cut), weight)


def test_a_value_that_is_always_zero_does_no_harm(tmp_path: Path) -> None:
    steps = read_steps(DETECTOR)
    dark = [np.zeros((1, 32, 32, 3), np.uint8)]
    Writer(steps, find_scales(steps, dark)).write(tmp_path / "dark.onnx", {})
    with open_session(tmp_path / "dark.onnx") as session:
        said = session.run({"images": pictures(1, (64, 64), seed=1)})
    assert all(np.isfinite(answer).all() for answer in said.values())


def test_a_file_without_convolutions_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tiny.onnx"
    path.write_bytes(identity([1, 3, 8, 8]))
    with pytest.raises(ValueError, match="no convolutions"):
        read_steps(path)


def test_another_first_layer_is_refused(tmp_path: Path) -> None:
    steps = read_steps(DETECTOR)
    first, *others = steps.taken
    assert isinstance(first, Convolution)
    odd = replace(steps, taken=(replace(first, strides=(1, 1)), *others))
    scales = find_scales(steps, [pictures(1, (32, 32), seed=2)])
    with pytest.raises(ValueError, match="every second pixel"):
        Writer(odd, scales).write(tmp_path / "odd.onnx", {})


def test_a_map_that_looks_around_is_refused(tmp_path: Path) -> None:
    steps = read_steps(DETECTOR)
    *others, last = steps.taken
    assert isinstance(last, Convolution)
    wide = replace(last, weight=np.tile(last.weight, (1, 1, 3, 3)))
    scales = find_scales(steps, [pictures(1, (32, 32), seed=2)])
    with pytest.raises(ValueError, match="more than one pixel"):
        Writer(replace(steps, taken=(*others, wide)), scales).write(tmp_path / "odd.onnx", {})
