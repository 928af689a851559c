"""Backups in odd places, and a restore whose store of evidence takes no more."""

from __future__ import annotations

import errno
import hashlib
from pathlib import Path

import pytest

from config.errors import UserError
from ingest.backup.database import back_up, restore
from ingest.backup.evidence import copy_evidence, restore_evidence
from ingest.engine import open_engine
from ingest.media import DiskStore
from ingest.migrate import current, newest, upgrade
from tests.retention import jpeg


def test_a_folder_may_have_any_name(tmp_path: Path) -> None:
    folder = tmp_path / "备份 #1 50%25?"
    folder.mkdir()
    engine = open_engine(f"sqlite:///{tmp_path / 'one.db'}")
    upgrade(engine)
    engine.dispose()
    back_up(f"sqlite:///{tmp_path / 'one.db'}", folder / "monday")
    restore(f"sqlite:///{tmp_path / 'two.db'}", folder / "monday")
    again = open_engine(f"sqlite:///{tmp_path / 'two.db'}")
    assert current(again) == newest()
    again.dispose()


class FullStore(DiskStore):
    """A store on a disk without room."""

    def keep(self, half: Path, sha256: str, media_type: str) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_store_without_room_is_not_a_damaged_backup(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "media")
    for number in range(3):
        data = jpeg(b"%d" % number)
        with store.begin(hashlib.sha256(data).hexdigest()) as upload:
            upload.write(data)
            upload.finish(declared=None)
    copy_evidence(store, tmp_path / "monday")
    with pytest.raises(UserError, match="No space left") as caught:
        restore_evidence(FullStore(tmp_path / "full"), tmp_path / "monday")
    assert "make room" in caught.value.remedy
    assert restore_evidence(DiskStore(tmp_path / "roomy"), tmp_path / "monday") == 3


def test_one_damaged_file_keeps_no_other_out_of_a_backup(tmp_path: Path) -> None:
    store, names = DiskStore(tmp_path / "media"), []
    for number in range(3):
        data = jpeg(b"%d" % number)
        names.append(hashlib.sha256(data).hexdigest())
        with store.begin(names[-1]) as upload:
            upload.write(data)
            upload.finish(declared=None)
    rotten, *others = sorted(names)
    (path,) = (tmp_path / "media").glob(f"*/{rotten}.jpg")
    path.write_bytes(jpeg(b"?"))
    with pytest.raises(UserError, match=rotten) as caught:
        copy_evidence(store, tmp_path / "monday")
    assert "other bytes" in caught.value.problem
    again = DiskStore(tmp_path / "again")
    assert restore_evidence(again, tmp_path / "monday") == 2
    assert sorted(item.file.sha256 for item in again.walk()) == others
