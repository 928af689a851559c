"""Photographs many people ahead of training: python -m models.training.faces.portraits --help."""

from __future__ import annotations

from argparse import ArgumentParser
from pathlib import Path

import numpy as np
from numpy.lib.format import open_memmap
from rich.progress import track

from models.training.faces.assets import Assets
from models.training.faces.data import LABEL, LABELS, PIXELS
from models.training.faces.person import People
from models.training.faces.studio import SIDE, Studio


def take(assets: Path, target: Path, *, count: int, seed: int) -> None:
    """Writes ``count`` portraits: uint8 (count, 256, 256, 4) BGRA, and a ``LABEL`` of each.

    Args:
        assets: folder that ``assets.Assets`` reads.
        target: folder to write; 260 kB per portrait.
        count: of portraits.
        seed: the same portraits for the same seed.
    """
    people, studio, rng = People(Assets(assets)), Studio(), np.random.default_rng(seed)
    target.mkdir(parents=True, exist_ok=True)
    pixels = open_memmap(target / PIXELS, "w+", np.uint8, (count, SIDE, SIDE, 4))
    labels = np.zeros(count, LABEL)
    for place in track(range(count), "portraits"):
        portrait = studio.photograph(people.draw(rng), rng)
        pixels[place] = portrait.pixels
        labels[place] = portrait.box, portrait.landmarks, portrait.yaw
    np.save(target / LABELS, labels)


def main() -> None:
    """Parses the command line and photographs."""
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("--assets", type=Path, required=True)
    parser.add_argument("--to", type=Path, required=True)
    parser.add_argument("--count", type=int, default=8000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    take(options.assets, options.to, count=options.count, seed=options.seed)


if __name__ == "__main__":
    main()
