"""The plate reader network: a small convolutional CTC recogniser that also judges its input."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor, nn

from models.plates.alphabet import CHARACTERS
from models.plates.grammar import PlateColour

CLASSES: Final = len(CHARACTERS) + 1
COLOURS: Final = tuple(PlateColour)
INPUT_HEIGHT, INPUT_WIDTH = 48, 160
TIME_STEPS: Final = INPUT_WIDTH // 4
OFFSET_SCALE: Final = 0.1
"""Corner offsets are predicted in tenths of the plate, which keeps them near one."""


class ConvUnit(nn.Sequential):
    """Convolution, batch normalisation, ReLU; the first two fuse into one at export."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: tuple[int, int] = (3, 3),
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] | None = None,
    ) -> None:
        if padding is None:
            padding = (kernel[0] // 2, kernel[1] // 2)
        super().__init__(
            nn.Conv2d(inputs, outputs, kernel, stride, padding, bias=False),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Residual(nn.Module):
    """Two 3x3 convolutions beside an identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvUnit(channels, channels)
        self.second = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, bias=False), nn.BatchNorm2d(channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(self.first(x)))


class PlateReaderNet(nn.Module):
    """Rectified plates in; characters, colour and where the plate really lies out.

    Input: ``plates`` uint8 (N, 48, 160, 3) BGR. Outputs: ``characters`` float32 (N, 40, classes)
    log-probabilities with class 0 the CTC blank; ``colours`` float32 (N, 6) log-probabilities;
    ``offsets`` float32 (N, 8), how far the plate's true corners are from those it was rectified
    by, x and y in shares of its width and height, for plates of one row.
    """

    def __init__(self, channels: tuple[int, int, int, int, int] = (32, 48, 64, 80, 128)) -> None:
        super().__init__()
        a, b, c, d, e = channels
        self.stem = nn.Sequential(ConvUnit(3, a, stride=(2, 2)), ConvUnit(a, b, stride=(2, 2)))
        self.body = nn.Sequential(
            Residual(b),
            ConvUnit(b, c, stride=(2, 1)),
            Residual(c),
            ConvUnit(c, d, stride=(2, 1)),
            Residual(d),
            ConvUnit(d, e, kernel=(3, 3), padding=(0, 1)),
        )
        self.sequence = nn.Sequential(ConvUnit(e, e, kernel=(1, 5)), nn.Dropout(0.1))
        self.classify = nn.Conv2d(e, CLASSES, 1)
        self.colour = nn.Linear(c, len(COLOURS))
        self.corner_map = ConvUnit(c, 16, stride=(1, 2))
        self.corners = nn.Sequential(
            nn.Linear(16 * (INPUT_HEIGHT // 8) * (INPUT_WIDTH // 8), 64),
            nn.ReLU(inplace=True),
            nn.Linear(64, 8),
        )

    def forward(self, plates: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        x = plates.permute(0, 3, 1, 2).to(self.classify.weight.dtype)
        # Each plate is scaled by its own brightness and contrast, so that night looks like day.
        mean = x.mean(dim=(1, 2, 3), keepdim=True)
        spread = (x - mean).square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        x = (x - mean) / (spread + 8.0)
        x = self.stem(x)
        middle: Tensor | None = None
        for i, layer in enumerate(self.body):
            x = layer(x)
            if i == 2:
                middle = x
        assert middle is not None
        colours = self.colour(middle.mean(dim=(2, 3))).log_softmax(dim=1)
        steps = self.classify(self.sequence(x)).squeeze(2).permute(0, 2, 1)
        offsets = self.corners(self.corner_map(middle).flatten(1)) * OFFSET_SCALE
        return steps.log_softmax(dim=2), colours, offsets
