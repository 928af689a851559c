"""``menshen models`` says what is here, brings what is not, and tells what is wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from config.errors import UserError
from models.catalogue import entry_named
from models.cli import _pinned, app


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty models folder that the command line uses; its name looks like an end of markup."""
    folder = tmp_path / "models [/2]"
    monkeypatch.setenv("MENSHEN_MODELS_DIR", str(folder))
    monkeypatch.delenv("MENSHEN_MODELS_MIRROR", raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    return folder


def run(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_the_list_names_licences_and_states(here: Path) -> None:
    output = run("list").output
    for word in ("yunet-n", "Apache-2.0", "MIT", "missing", "non-commercial research only"):
        assert word in output


def test_pulling_from_a_mirror_then_verifying(here: Path, shared: Path) -> None:
    mirror = str(shared / "models")
    pulled = run("pull", "yunet-n", "--mirror", mirror)
    assert pulled.exit_code == 0, pulled.output
    assert "Apache-2.0" in pulled.output
    assert run("verify", "yunet-n").exit_code == 0
    (here / entry_named("yunet-n").file).write_bytes(b"spoilt")
    spoilt = run("verify", "yunet-n")
    assert spoilt.exit_code == 1
    assert "wrong hash" in spoilt.output


def test_research_weights_say_so_when_they_are_pulled(here: Path, shared: Path) -> None:
    pulled = run("pull", "scrfd-500m", "--mirror", str(shared / "models"))
    assert pulled.exit_code == 0
    assert "may not be used in a running" in " ".join(pulled.output.split())


def test_what_is_missing_fails_verification_by_name_only_if_it_is_needed(here: Path) -> None:
    assert run("verify", "sface").exit_code == 1
    assert isinstance(run("verify", "nobody").exception, UserError)


def test_a_file_without_an_address_says_how_to_get_it(here: Path, tmp_path: Path) -> None:
    error = run("pull", "face-reid-0095", "--mirror", str(tmp_path)).exception
    assert isinstance(error, UserError)
    assert "mirror folder" in error.remedy


def test_pinning_changes_only_the_one_entry() -> None:
    text = (
        '[[model]]\nfile = "a.onnx"\nsha256 = "1"\nsize_bytes = 1\n'
        '[[model]]\nfile = "b.onnx"\nsha256 = "2"\nsize_bytes = 2\n'
    )
    digest = hashlib.sha256(b"x").hexdigest()
    changed = _pinned(text, "a.onnx", digest, 77)
    assert changed.count(digest) == 1
    assert changed.endswith('file = "b.onnx"\nsha256 = "2"\nsize_bytes = 2\n')
    assert "size_bytes = 77" in changed
