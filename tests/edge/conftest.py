"""Fixtures of the edge's tests: a clip of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.edge.cameras import encode_clip


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds of H.264 with something moving."""
    return encode_clip(tmp_path_factory.mktemp("clip") / "yard.mp4")
