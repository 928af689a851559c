"""The face head: cells are asked for the right face, and the plates under it stay as they were."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="opt-in: pip install 'menshen[train]'")
pytest.importorskip("onnx", reason="opt-in: pip install 'menshen[train]'")

from models.catalogue import WEIGHTS  # noqa: E402
from models.face_decode import SPAN, decode_maps, suppress  # noqa: E402
from models.session import open_session  # noqa: E402
from models.training.export import export_faces  # noqa: E402
from models.training.faces import net  # noqa: E402
from models.training.faces.data import SIDE, FaceSample  # noqa: E402
from models.training.faces.train import (  # noqa: E402
    CELL_STRIDES,
    CENTRES,
    beside,
    loss_of,
    overlap,
    targets,
)
from models.training.schedule import save_checkpoint  # noqa: E402

PLATES = WEIGHTS / "plate_detector.onnx"
MARKS = np.array([[0.3, 0.4], [0.7, 0.4], [0.5, 0.6], [0.35, 0.8], [0.65, 0.8]], np.float32)


def sample(*boxes: tuple[float, float, float, float]) -> FaceSample:
    own = [np.array(box, np.float32) for box in boxes]
    marks = [box[:2] + MARKS * (box[2:] - box[:2]) for box in own]
    return FaceSample(np.zeros((SIDE, SIDE, 3), np.uint8), own, marks)


def perfect(wanted: np.ndarray) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What a network that knows the targets would say."""
    scores = np.where(wanted[..., 0] == 1, 9.0, -9.0).astype(np.float32)
    parts = (scores, wanted[..., 1:5], wanted[..., 5:15])
    return tuple(torch.from_numpy(part[None]) for part in parts)  # type: ignore[return-value]


@pytest.mark.parametrize("height", [9, 30, 60, 110, 250])
def test_every_face_is_asked_of_a_stride_of_its_size(height: int) -> None:
    wanted = targets(sample((60, 50, 60 + height * 0.8, 50 + height)))
    chosen = wanted[:, 0] == 1
    assert chosen.any()
    assert wanted[chosen, 16].sum() == pytest.approx(len(set(CELL_STRIDES[chosen])), abs=1.01)
    centre = np.array([60 + height * 0.4, 50 + height / 2])
    assert np.abs(CENTRES[chosen] - centre).max() <= max(24.0, 0.2 * height)


def test_a_cell_between_two_faces_is_asked_for_the_nearer_one() -> None:
    wanted = targets(sample((100, 100, 116, 120), (112, 100, 128, 120)))
    chosen = wanted[:, 0] == 1
    told = wanted[chosen]
    nearer = np.where(
        np.abs(CENTRES[chosen, 0] - 108) <= np.abs(CENTRES[chosen, 0] - 120), 100, 112
    )
    assert np.array_equal(told[:, 1], nearer)


def test_who_knows_the_faces_loses_nothing_and_a_miss_costs() -> None:
    wanted = targets(sample((40, 40, 100, 120)))
    good = [float(part) for part in loss_of(perfect(wanted), torch.from_numpy(wanted[None]))]
    assert max(good[1:]) < 1e-3
    blind = perfect(wanted)
    blind[0].fill_(-9.0)
    assert float(loss_of(blind, torch.from_numpy(wanted[None]))[0]) > good[0] + 1


def test_nobody_in_the_picture_is_no_division_by_nothing() -> None:
    wanted = targets(sample())
    assert all(
        bool(torch.isfinite(part))
        for part in loss_of(perfect(wanted), torch.from_numpy(wanted[None]))
    )


def test_boxes_apart_overlap_less_than_nothing() -> None:
    one = torch.tensor([[0.0, 0, 10, 10]])
    assert float(overlap(one, one)) == pytest.approx(1)
    assert float(overlap(one, one + 5)) == pytest.approx(25 / 175 - (225 - 175) / 225)
    assert float(overlap(one, one + 100)) < 0


def test_its_deeper_layers_start_where_those_of_the_plates_are() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (8, 64, 64, 3), np.uint8)
    network = beside(PLATES, torch.from_numpy(noise)).eval()
    with torch.no_grad():
        first = network.plates.first(torch.from_numpy(noise))
        eight, sixteen, _ = network.plates.trunk(first)
        assert torch.allclose(network.eight(first), eight, atol=1e-3)
        assert torch.allclose(network.sixteen(eight), sixteen, atol=1e-3)
    learning = {name for name, one in network.named_parameters() if one.requires_grad}
    assert not any(name.startswith("plates.") for name in learning)
    assert any(name.startswith("eight.") for name in learning)


def test_training_and_use_agree_on_units_and_the_plates_stay_the_same(tmp_path: Path) -> None:
    assert net.SPAN == SPAN
    noise = np.random.default_rng(5).integers(0, 256, (8, 64, 64, 3), np.uint8)
    network = beside(PLATES, torch.from_numpy(noise))
    torch.manual_seed(1)
    with torch.no_grad():
        for answer in network.faces.answers:
            answer.out.weight.normal_(0, 0.3)
            answer.out.bias[0] = 0.0  # something is found whatever was drawn
    network.train()
    assert not network.plates.stem.training, "what is fixed keeps its means"
    assert network.eight.training
    network.eval()
    save_checkpoint(tmp_path / "faces.pt", average=network.state_dict(), step=3)
    export_faces(tmp_path / "faces.pt", tmp_path / "faces.onnx")
    pixels = np.random.default_rng(2).integers(0, 256, (2, 96, 128, 3), np.uint8)
    with open_session(tmp_path / "faces.onnx") as session, open_session(PLATES) as plates:
        said, alone = session.run({"images": pixels}), plates.run({"images": pixels})
    for name, answer in alone.items():
        assert np.allclose(said[name], answer, atol=1e-4)
    with torch.no_grad():
        scores, sides, _ = network(torch.from_numpy(pixels))
    found = suppress(decode_maps(said, 0.2), 1.0)
    told = scores[0].sigmoid().numpy()
    best = int(told.argmax())
    mine = found.of_image(0)
    assert float(mine.scores[0]) == pytest.approx(float(told[best]), abs=1e-3)
    low, high = sides[0, best, :2].numpy(), sides[0, best, 2:].numpy()
    assert np.allclose(mine.boxes[0, :2], low, atol=0.05)
    assert np.allclose(mine.boxes[0, 2:], np.maximum(high - low, 0), atol=0.1)
