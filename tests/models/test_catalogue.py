"""The catalogue: everything licensed, pinned, and nothing for research a default."""

from __future__ import annotations

from pathlib import Path

import pytest

from config.errors import UserError
from models.catalogue import (
    CATALOGUE,
    WEIGHTS,
    State,
    Store,
    entry_named,
    load_catalogue,
    sha256_of,
)
from models.loading import integer_is_of

PERMITTED = {"Apache-2.0", "MIT"}


def test_every_default_is_permitted_and_every_file_pinned() -> None:
    entries = load_catalogue()
    assert {"yunet-n", "yunet-s", "sface", "face-reid-0095", "hyperlpr3-640"} <= set(entries)
    for entry in entries.values():
        assert entry.licence in PERMITTED or entry.research_only, entry.name
        assert len(entry.sha256) == 64 or entry.bundled, entry.name
    files = [entry.file for entry in entries.values()]
    assert len(files) == len(set(files))


def test_the_shared_files_are_the_pinned_ones(shared: Path, tmp_path: Path) -> None:
    store = Store(tmp_path, shared / "models")
    for name in ("yunet-n", "yunet-s", "face-reid-0095", "hyperlpr3-320", "scrfd-500m"):
        assert store.state(entry_named(name)) == (
            State.GOOD,
            shared / "models" / entry_named(name).file,
        )


def test_a_pulled_file_wins_over_the_mirror_and_a_wrong_one_is_told(tmp_path: Path) -> None:
    entry = entry_named("yunet-n")
    store = Store(tmp_path / "mine", tmp_path / "mirror")
    assert store.state(entry) == (State.MISSING, None)
    for folder in (tmp_path / "mirror", tmp_path / "mine"):
        folder.mkdir()
        (folder / entry.file).write_bytes(b"not a network")
    assert store.state(entry) == (State.WRONG, tmp_path / "mine" / entry.file)


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UserError, match="yunet-n"):
        entry_named("yolo-of-somebody")


VALID = """
[[model]]
name = "a"
task = "face-detection"
file = "a.onnx"
title = "A"
licence = "MIT"
input = "any"
by_hand = "ask"
sha256 = "{digest}"
""".format(digest="a" * 64)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("a.onnx", "../a.onnx"), "file"),
        (('"MIT"', '"MIT"\nnonsense = 1'), "nonsense"),
        (("a" * 64, "abc"), "sha256"),
        (('by_hand = "ask"', 'addresses = ["http://plain"]'), "addresses"),
        (('by_hand = "ask"', ""), "model[0]"),
        (('"MIT"', '"NC"\nresearch_only = true\ndefault = true'), "model[0]"),
    ],
)
def test_a_wrong_entry_is_named(tmp_path: Path, change: tuple[str, str], field: str) -> None:
    path = tmp_path / "catalogue.toml"
    path.write_text(VALID.replace(*change), encoding="utf-8")
    with pytest.raises(UserError) as caught:
        load_catalogue(path)
    assert field in (caught.value.field or "")


def test_a_name_twice_and_broken_toml_are_errors(tmp_path: Path) -> None:
    twice = tmp_path / "twice.toml"
    twice.write_text(VALID + VALID, encoding="utf-8")
    with pytest.raises(UserError, match="already taken"):
        load_catalogue(twice)
    broken = tmp_path / "broken.toml"
    broken.write_text("[[model]\n", encoding="utf-8")
    with pytest.raises(UserError, match="cannot be read"):
        load_catalogue(broken)


def test_the_bundled_files_that_are_here_are_the_pinned_ones() -> None:
    store = Store(Path("/nonexistent"))
    for entry in load_catalogue(CATALOGUE).values():
        path = store.find(entry) if entry.bundled else None
        if path is not None:
            assert sha256_of(path) == entry.sha256, f"run: menshen models pin ({path})"
            assert path.stat().st_size <= 3_000_000


@pytest.mark.parametrize("network", ["plate_detector", "plate_reader"])
def test_an_integer_network_was_made_from_the_float_one_beside_it(network: str) -> None:
    plain, integer = WEIGHTS / f"{network}.onnx", WEIGHTS / f"{network}_int8.onnx"
    assert integer.is_file()
    assert integer_is_of(integer, plain), "run: menshen models pin; it says what to do"


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=tmp_path.name):
        sha256_of(tmp_path)
