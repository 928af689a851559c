"""Pulling a model: what broke off goes on, and only the right bytes get the final name."""

from __future__ import annotations

import fcntl
import hashlib
import random
import threading
from pathlib import Path

import pytest

from config.clock import FakeClock
from config.errors import UserError
from models.catalogue import Entry, entry_named
from models.fetch import pull
from tests.models.file_server import FileServer

CONTENT = random.Random(3).randbytes(300_000)


class Hurried(FakeClock):
    """Waiting takes no time, and is remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.waited: list[float] = []

    def wait(self, event: threading.Event, seconds: float) -> bool:
        self.waited.append(seconds)
        self.advance(seconds)
        return event.is_set()


def entry_at(*addresses: str, content: bytes = CONTENT) -> Entry:
    return entry_named("yunet-n").model_copy(
        update={
            "addresses": addresses,
            "sha256": hashlib.sha256(content).hexdigest(),
            "size_bytes": len(content),
        }
    )


def test_a_download_that_breaks_off_twice_goes_on_where_it_stopped(tmp_path: Path) -> None:
    seen: list[tuple[int, int | None]] = []
    clock = Hurried()
    with FileServer(CONTENT, breaks=[100_000, 50_000]) as server:
        path = pull(
            entry_at(server.address),
            models_dir=tmp_path / "models",
            clock=clock,
            progress=lambda done, total: seen.append((done, total)),
        )
    assert path.read_bytes() == CONTENT
    assert server.asked == ["", "bytes=100000-", "bytes=150000-"]
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert clock.waited == [1.0, 2.0]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_later_run_goes_on_with_what_an_earlier_left(tmp_path: Path) -> None:
    with FileServer(CONTENT, breaks=[1000] * 4) as server:
        entry = entry_at(server.address)
        with pytest.raises(UserError, match="pull again"):
            pull(entry, models_dir=tmp_path, clock=Hurried())
        assert (tmp_path / f"{entry.file}.part").stat().st_size == 4000
        assert pull(entry, models_dir=tmp_path, clock=Hurried()).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=4000-"


def test_a_server_without_ranges_starts_again(tmp_path: Path) -> None:
    with FileServer(CONTENT, breaks=[1000], ranges=False) as server:
        path = pull(entry_at(server.address), models_dir=tmp_path, clock=Hurried())
    assert path.read_bytes() == CONTENT


def test_a_wrong_file_is_deleted_and_both_hashes_are_told(tmp_path: Path) -> None:
    with FileServer(CONTENT[::-1]) as server, pytest.raises(UserError) as caught:
        pull(entry_at(server.address), models_dir=tmp_path, clock=Hurried())
    assert caught.value.where == server.address
    assert hashlib.sha256(CONTENT).hexdigest() in caught.value.problem
    assert hashlib.sha256(CONTENT[::-1]).hexdigest() in caught.value.problem
    assert list(tmp_path.iterdir()) == []


def test_a_leftover_of_another_file_does_not_stay_for_ever(tmp_path: Path) -> None:
    with FileServer(CONTENT) as server:
        entry = entry_at(server.address)
        (tmp_path / f"{entry.file}.part").write_bytes(b"x" * len(CONTENT))
        with pytest.raises(UserError, match="the catalogue says"):
            pull(entry, models_dir=tmp_path, clock=Hurried())
        assert pull(entry, models_dir=tmp_path, clock=Hurried()).read_bytes() == CONTENT


def test_a_server_that_sends_without_end_is_cut_at_the_known_size(tmp_path: Path) -> None:
    with FileServer(CONTENT * 5) as server, pytest.raises(UserError, match="catalogue says"):
        pull(entry_at(server.address), models_dir=tmp_path, clock=Hurried())


def test_a_refusal_is_not_repeated_and_the_next_address_is_tried(tmp_path: Path) -> None:
    with FileServer(CONTENT, status=404) as gone, FileServer(CONTENT) as good:
        entry = entry_at(gone.address, good.address)
        assert pull(entry, models_dir=tmp_path, clock=Hurried()).read_bytes() == CONTENT
    assert len(gone.asked) == 1


def test_of_two_that_pull_at_once_one_waits_and_both_have_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    met, lock = threading.Event(), fcntl.flock
    paths: list[Path] = []

    class Asked(list[str]):
        def append(self, wanted: str) -> None:
            super().append(wanted)
            if len(self) == 2:
                met.set()

    def locked(file: int, how: int) -> None:
        if threading.current_thread() is second:
            met.set()
        lock(file, how)

    def begun(done: int, _total: int | None) -> None:
        if done and second.ident is None:
            # The second comes while the first has a half: to its lock, or else to the server.
            second.start()
            assert met.wait(30)

    with FileServer(CONTENT, asked=Asked()) as server:
        entry = entry_at(server.address)
        second = threading.Thread(
            target=lambda: paths.append(pull(entry, models_dir=tmp_path, clock=Hurried()))
        )
        monkeypatch.setattr(fcntl, "flock", locked)
        path = pull(entry, models_dir=tmp_path, clock=Hurried(), progress=begun)
        second.join()
    assert paths == [path]
    assert path.read_bytes() == CONTENT
    assert server.asked == [""]


def test_a_folder_where_the_file_belongs_is_named(tmp_path: Path) -> None:
    with FileServer(CONTENT) as server:
        entry = entry_at(server.address)
        (tmp_path / entry.file).mkdir()
        with pytest.raises(UserError, match="cannot be written"):
            pull(entry, models_dir=tmp_path, clock=Hurried())


def test_no_server_at_all_tells_about_the_mirror(tmp_path: Path, free_port: int) -> None:
    entry = entry_at(f"http://127.0.0.1:{free_port}/model.onnx")
    with pytest.raises(UserError, match="--mirror"):
        pull(entry, models_dir=tmp_path, clock=Hurried())


def test_the_mirror_is_enough_and_its_hash_is_checked_too(tmp_path: Path) -> None:
    mirror = tmp_path / "mirror"
    mirror.mkdir()
    entry = entry_at()
    with pytest.raises(UserError, match="does not have it"):
        pull(entry, models_dir=tmp_path / "models", mirror=mirror)
    (mirror / entry.file).write_bytes(CONTENT[:-1])
    with pytest.raises(UserError, match="in the mirror"):
        pull(entry, models_dir=tmp_path / "models", mirror=mirror)
    (mirror / entry.file).write_bytes(CONTENT)
    path = pull(entry, models_dir=tmp_path / "models", mirror=mirror)
    assert path.read_bytes() == CONTENT
    (mirror / entry.file).unlink()
    assert pull(entry, models_dir=tmp_path / "models", mirror=mirror) == path


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(UserError, match="MENSHEN_MODELS_DIR"):
        pull(entry_at("http://127.0.0.1:9/x"), models_dir=tmp_path / "file" / "models")


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080", "SOCKS"),
        ("HTTPS_PROXY", "ftp://127.0.0.1:1080", "scheme"),
        ("NO_PROXY", "127.0.0.0/8,::1/128", "not valid"),
        ("SSL_CERT_FILE", "/nowhere/roots.pem", "No such file"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_told_with_what_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    for other in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE"):
        monkeypatch.delenv(other, raising=False)
        monkeypatch.delenv(other.lower(), raising=False)
    monkeypatch.setenv(name, value)
    with pytest.raises(UserError, match=problem) as caught:
        pull(entry_at("http://127.0.0.1:9/x"), models_dir=tmp_path, clock=Hurried())
    assert "HTTPS_PROXY=http://" in caught.value.remedy
