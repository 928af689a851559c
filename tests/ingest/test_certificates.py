"""The county's authority is made once, and never exchanged behind anybody's back."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.errors import UserError
from ingest.broker_setup import write_broker_files
from ingest.certificates import Authority

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_an_authority_whose_key_is_kept_elsewhere_is_not_replaced(tmp_path: Path) -> None:
    """All certificates that are out would be worth nothing."""
    Authority(tmp_path, NOW).issue("node-east")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    (tmp_path / "ca.key").unlink()
    with pytest.raises(UserError, match=r"ca\.key") as caught:
        Authority(tmp_path, NOW)
    assert "put ca.key back" in caught.value.remedy
    (tmp_path / "ca.key").write_bytes(before["ca.key"])
    Authority(tmp_path, NOW).issue("node-west")
    assert (tmp_path / "ca.crt").read_bytes() == before["ca.crt"]


@pytest.mark.parametrize("host", ["清河县.example", ""])
def test_a_host_that_no_certificate_can_name_is_told(tmp_path: Path, host: str) -> None:
    with pytest.raises(UserError) as caught:
        write_broker_files(
            tmp_path, county="demo", nodes=["node-east"], hosts=(host,), port=8883, now=NOW
        )
    assert caught.value.where == "--host"


def test_files_that_cannot_be_written_are_told(tmp_path: Path) -> None:
    (tmp_path / "access.acl").mkdir()
    with pytest.raises(UserError, match="access"):
        write_broker_files(
            tmp_path, county="demo", nodes=["node-east"], hosts=("127.0.0.1",), port=8883, now=NOW
        )
