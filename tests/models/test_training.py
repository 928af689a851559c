"""A shipped reader becomes a checkpoint again, and checkpoints become their mean."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="opt-in: pip install 'menshen[train]'")
pytest.importorskip("onnx", reason="opt-in: pip install 'menshen[train]'")

from models.catalogue import WEIGHTS  # noqa: E402
from models.session import open_session  # noqa: E402
from models.training.average import mean_state, settle  # noqa: E402
from models.training.reader_net import PlateReaderNet  # noqa: E402
from models.training.recover import fold_back, normalise  # noqa: E402

READER = WEIGHTS / "plate_reader.onnx"


def strips(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (8, 48, 160, 3), np.uint8)


def test_the_checkpoint_of_a_shipped_reader_answers_as_it_does() -> None:
    network = PlateReaderNet().eval()
    normalise(
        network,
        fold_back(READER, network, torch.from_numpy(strips(1))),
        torch.from_numpy(strips(1)),
    )
    with open_session(READER) as session, torch.no_grad():
        said = session.run({"plates": strips(2)})
        again = network(torch.from_numpy(strips(2)))
    for name, answer in zip(("characters", "colours", "offsets"), again, strict=True):
        assert np.abs(answer.numpy() - said[name]).max() < 1e-3


def test_a_mean_counts_each_network_by_its_share_and_its_layers_settle() -> None:
    torch.manual_seed(3)
    one, other = PlateReaderNet().eval(), PlateReaderNet().eval()
    mean = mean_state([one.state_dict(), other.state_dict()], [0.75, 0.25])
    expected = 0.75 * one.classify.weight + 0.25 * other.classify.weight
    assert torch.allclose(mean["classify.weight"], expected)
    network = PlateReaderNet().eval()
    network.load_state_dict(mean)
    settle(network, torch.from_numpy(strips(4)))
    assert not network.training
    norm = network.stem[0][1]
    assert norm.momentum == 0.1
    assert not torch.equal(norm.running_mean, mean["stem.0.1.running_mean"])
    assert torch.equal(norm.weight, mean["stem.0.1.weight"])


def test_shares_must_fit_the_checkpoints() -> None:
    state = PlateReaderNet().state_dict()
    with pytest.raises(ValueError, match="add up"):
        mean_state([state, state], [0.9, 0.9])
    with pytest.raises(ValueError, match="1 shares for 2"):
        mean_state([state, state], [1.0])
    with pytest.raises(ValueError, match="other layers"):
        mean_state([state, {"a": torch.zeros(1)}], [0.5, 0.5])
