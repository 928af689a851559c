"""What ``menshen config check`` prints is what the file says, whatever signs are in it."""

from __future__ import annotations

from pathlib import Path

from typer.testing import CliRunner

import menshen

EXAMPLE = Path("config/example_county.toml").read_text(encoding="utf-8")


def test_names_in_brackets_are_shown_as_they_are(tmp_path: Path) -> None:
    """``[/]`` is an end of nothing in the language of the table's maker."""
    path = tmp_path / "county.toml"
    path.write_text(
        EXAMPLE.replace("清河县", "清河县[/new]", 1).replace("东门小区入口", "[old]入口", 1),
        encoding="utf-8",
    )
    shown = CliRunner().invoke(menshen.build("config"), ["config", "check", str(path)])
    assert shown.exit_code == 0
    assert "清河县[/new]" in shown.output
    assert "[old]入口" in shown.output
