"""Trains the plate reader: python -m models.training.train_reader --shared DIR --work DIR."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import torch
from torch import Tensor, nn

from models.plates.alphabet import encode
from models.training.reader_data import ReaderData, ReaderSample
from models.training.reader_net import TIME_STEPS, PlateReaderNet
from models.training.replay import Batch, Sample
from models.training.run import Run, Task
from models.training.schedule import run_options

LONGEST: Final = 10


def samples(shared: Path | None, real_share: float, hold_back: bool, seed: int) -> Iterator[Sample]:
    """Endless strips with their text's codes, its length, the colour and the corner offsets."""
    data = ReaderData(shared, real_share=real_share, hold_back=hold_back)
    yield from map(_arrays, data.stream(seed))


def _arrays(sample: ReaderSample) -> Sample:
    codes = encode(sample.text)
    text = np.zeros(LONGEST, np.int64)
    text[: len(codes)] = codes
    offsets = np.full(8, np.nan, np.float32) if sample.offsets is None else sample.offsets
    return sample.strip, text, np.array(len(codes)), np.array(sample.colour), offsets


def loss_of(network: nn.Module, batch: Batch) -> tuple[Tensor, Tensor, float]:
    """CTC, colour and corner loss together; character log-probabilities; mean corner error."""
    strips, texts, lengths, colours, offsets = batch
    steps, colour_scores, guesses = network(strips)
    steps = steps.float()
    times = torch.full((len(strips),), TIME_STEPS, dtype=torch.long)
    ctc = nn.functional.ctc_loss(steps.permute(1, 0, 2), texts, times, lengths, zero_infinity=True)
    colour = nn.functional.nll_loss(colour_scores.float(), colours, ignore_index=-1)
    known = ~offsets.isnan().any(1)
    error = guesses.float()[known] - offsets[known]
    corner = nn.functional.smooth_l1_loss(error, torch.zeros_like(error), beta=0.02)
    return ctc + 0.2 * colour + 4.0 * corner, steps, float(error.detach().abs().mean())


def exact_share(steps: Tensor, texts: Tensor, lengths: Tensor) -> float:
    """Share of plates whose greedy reading is right in every character."""
    best = steps.argmax(2).cpu().numpy()
    right = 0
    for row, text, length in zip(best, texts.cpu().numpy(), lengths.cpu().numpy(), strict=True):
        kept = [c for i, c in enumerate(row) if c and (i == 0 or c != row[i - 1])]
        right += kept == list(text[:length])
    return right / len(best)


def judge(network: nn.Module, batch: Batch) -> tuple[Tensor, tuple[float, float, float]]:
    """The loss; it, the share of plates read exactly and the mean corner error to report."""
    with torch.autocast(batch[0].device.type, torch.bfloat16):
        loss, steps, corner_error = loss_of(network, batch)
    return loss, (loss.item(), exact_share(steps.detach(), batch[1], batch[2]), corner_error)


def main() -> None:
    """Parses the command line and trains."""
    parser = run_options(__doc__, steps=20000, batch=128, fresh=0.4)
    parser.add_argument("--real-share", type=float, default=0.25)
    parser.add_argument(
        "--hold-back",
        action="store_true",
        help="leave out the plates that models.training.trial has",
    )
    options = parser.parse_args()
    task = Task(
        name="reader",
        network=PlateReaderNet(),
        samples=partial(samples, options.shared, options.real_share, options.hold_back),
        ring=48,
        judge=judge,
        told="loss/exact/corner",
        clip=5.0,
    )
    Run(options, task).train()


if __name__ == "__main__":
    main()
