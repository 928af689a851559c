"""Trains the plate reader: python -m models.training.train_reader --shared DIR --work DIR."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, IterableDataset, get_worker_info

from models.plates.alphabet import encode
from models.training.reader_data import ReaderData
from models.training.reader_net import TIME_STEPS, PlateReaderNet
from models.training.schedule import (
    Average,
    Budget,
    learning_rate,
    load_checkpoint,
    run_options,
    save_checkpoint,
)

LONGEST = 10
Batch = tuple[Tensor, Tensor, Tensor, Tensor, Tensor]


class ReaderBatches(IterableDataset[Batch]):
    """Endless batches; part of each is drawn again from a ring of earlier samples.

    Drawing a sample costs more than learning from it, so each is shown about ``1 / fresh`` times.
    """

    def __init__(
        self, shared: Path | None, *, seed: int, batch: int, fresh: float, real_share: float
    ) -> None:
        self._shared, self._seed, self._batch = shared, seed, batch
        self._fresh, self._real_share = fresh, real_share

    def __iter__(self) -> Iterator[Batch]:
        worker = get_worker_info()
        cv2.setNumThreads(1)
        seed = self._seed * 1000 + (worker.id if worker else 0)
        samples = ReaderData(self._shared, real_share=self._real_share).stream(seed)
        rng = np.random.default_rng(seed + 1)
        size = 48 * self._batch
        ring_x = np.zeros((size, 48, 160, 3), np.uint8)
        ring_y = np.zeros((size, LONGEST), np.int64)
        ring_n = np.zeros(size, np.int64)
        ring_c = np.zeros(size, np.int64)
        ring_o = np.zeros((size, 8), np.float32)
        filled = 0
        while True:
            new = self._batch if filled < self._batch else max(1, int(self._batch * self._fresh))
            for _ in range(new):
                sample = next(samples)
                slot = filled % size
                codes = encode(sample.text)
                ring_x[slot], ring_c[slot], ring_n[slot] = sample.strip, sample.colour, len(codes)
                ring_y[slot, : len(codes)] = codes
                ring_o[slot] = np.nan if sample.offsets is None else sample.offsets
                filled += 1
            newest = (filled - 1 - np.arange(new)) % size
            older = rng.integers(0, min(filled, size), self._batch - new)
            pick = np.concatenate([newest, older])
            parts = (ring_x[pick], ring_y[pick], ring_n[pick], ring_c[pick], ring_o[pick])
            x, y, n, c, o = (torch.from_numpy(part) for part in parts)
            yield x, y, n, c, o


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


def train(options: argparse.Namespace) -> None:
    """Runs to ``options.steps``, resuming from the work folder's checkpoint when there is one."""
    torch.manual_seed(options.seed)
    torch.set_num_threads(options.threads)
    device = options.device
    network = PlateReaderNet().to(device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=options.rate, weight_decay=1e-3)
    average = Average(network)
    start, path = 0, options.work / "reader.pt"
    if path.exists():
        parts = load_checkpoint(path, device)
        network.load_state_dict(parts["network"])
        optimiser.load_state_dict(parts["optimiser"])
        average.state, start = parts["average"], int(parts["step"])
    elif options.init is not None:
        # A head that the earlier run did not have starts from chance.
        network.load_state_dict(load_checkpoint(options.init, device)["average"], strict=False)
        average = Average(network)
    data = ReaderBatches(
        options.shared,
        seed=options.seed + start,
        batch=options.batch,
        fresh=options.fresh,
        real_share=options.real_share,
    )
    loader = DataLoader(data, batch_size=None, num_workers=options.workers, prefetch_factor=4)

    def save(done: int) -> None:
        save_checkpoint(
            path,
            network=network.state_dict(),
            optimiser=optimiser.state_dict(),
            average=average.state,
            step=done,
        )

    budget = Budget(start=start, steps=options.steps, minutes=options.minutes)
    clock, seen = time.monotonic(), []
    for step, batch in enumerate(loader, start):
        progress = budget.progress(step)
        if progress >= 1:
            save(step)
            break
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(progress, peak=options.rate, step=step)
        x, y, n, c, o = (part.to(device) for part in batch)
        batch = (x, y, n, c, o)
        with torch.autocast(device, torch.bfloat16):
            loss, log_probabilities, corner_error = loss_of(network, batch)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimiser.step()
        average.update(network)
        exact = exact_share(log_probabilities.detach(), batch[1], batch[2])
        seen.append([loss.item(), exact, corner_error])
        if (step + 1) % options.report == 0:
            pace = (time.monotonic() - clock) / len(seen)
            means = " ".join(f"{value:.4f}" for value in np.mean(seen, 0))
            print(f"step {step + 1} loss/exact/corner {means} {pace:.3f} s/step", flush=True)
            clock, seen = time.monotonic(), []
            save(step + 1)


def main() -> None:
    """Parses the command line and trains."""
    parser = run_options(__doc__, steps=20000, batch=128, fresh=0.4)
    parser.add_argument("--real-share", type=float, default=0.25)
    train(parser.parse_args())


if __name__ == "__main__":
    main()
