"""What ``menshen demo`` leaves behind."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

import demo.cli
import menshen
from config.errors import UserError
from demo.desk import Desk


class Broken:
    """A demo one of whose processes ends by itself, or that cannot even start one."""

    has_log = True

    def __init__(self, *, desk: Desk, **_: object) -> None:
        self.log = desk.log("centre")

    def run(self) -> None:
        if self.has_log:
            self.log.write_text("the last words")
        raise UserError(where="menshen centre", problem="ended", remedy=f"read {self.log}")


@pytest.mark.parametrize("has_log", [True, False])
def test_the_log_that_an_error_names_can_be_read(
    has_log: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(demo.cli, "Demo", Broken)
    monkeypatch.setattr(Broken, "has_log", has_log)
    result = CliRunner().invoke(menshen.build("demo"), ["demo", "--headless"])
    assert isinstance(result.exception, UserError)
    left = list(tmp_path.iterdir())
    assert [(one / "centre.log").read_text() for one in left] == ["the last words"] * has_log
