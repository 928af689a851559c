"""An installer's spreadsheet becomes cameras, and every mistake in it has a row and a column."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import menshen
from config.csv_import import as_toml, read_cameras
from config.errors import UserError

CHINESE = (
    "编号,名称,节点,网格,主码流,类别,责任单位,用途,提示标识,用户名,密码\n"
    "gate-1,一号门,node-east,east-gate,rtsp://10.0.0.5/main,小区,物业,公共安全,左柱,admin,a#b@c\n"
    "gate-2,二号门,node-east,east-gate,rtsp://u:pw@10.0.0.6/main,小区,物业,公共安全,右柱,,\n"
)


def csv_file(folder: Path, text: str, encoding: str = "utf-8") -> Path:
    path = folder / "cameras.csv"
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030"])
def test_a_sheet_saved_by_any_office_program_is_read(tmp_path: Path, encoding: str) -> None:
    cameras, secrets = read_cameras(csv_file(tmp_path, CHINESE, encoding))
    assert [camera.name for camera in cameras] == ["一号门", "二号门"]
    assert cameras[0].legal_class == "gated"
    assert cameras[1].url == "rtsp://10.0.0.6/main"
    assert secrets["gate-1"].password.get_secret_value() == "a#b@c"
    assert secrets["gate-2"].user == "u"


def test_what_is_written_is_what_a_site_file_accepts(tmp_path: Path) -> None:
    cameras, _ = read_cameras(csv_file(tmp_path, CHINESE.replace(",", ";")))
    tables = tomllib.loads(as_toml(cameras))["cameras"]
    assert [type(cameras[0]).model_validate(table) for table in tables] == cameras


@pytest.mark.parametrize(
    ("old", "new", "line", "words"),
    [
        ("小区,物业,公共安全,右柱", "仓库,物业,公共安全,右柱", 3, "legal_class"),
        ("gate-2", "gate-1", 3, "already used in line 2"),
        ("gate-2", "二号", 3, "id"),
        ("rtsp://10.0.0.5/main", "10.0.0.5", 2, "url"),
        ("编号", "编码", 1, "not a known column"),
        ("名称", "编号", 1, "used twice"),
        ("右柱,,", "右柱,,,,extra", 3, "cells"),
    ],
)
def test_a_mistake_is_named_by_row_and_column(
    tmp_path: Path, old: str, new: str, line: int, words: str
) -> None:
    with pytest.raises(UserError) as caught:
        read_cameras(csv_file(tmp_path, CHINESE.replace(old, new, 1)))
    assert caught.value.line == line
    assert words in str(caught.value)
    assert "a#b@c" not in str(caught.value)


def test_the_command_keeps_credentials_out_of_what_it_prints(tmp_path: Path) -> None:
    source = csv_file(tmp_path, CHINESE)
    out = tmp_path / "secrets.toml"
    runner = CliRunner()
    command = ["config", "import", str(source)]
    refused = runner.invoke(menshen.build("config"), command)
    assert isinstance(refused.exception, UserError)
    result = runner.invoke(menshen.build("config"), [*command, "--secrets-out", str(out)])
    assert result.exit_code == 0
    assert "a#b@c" not in result.output
    assert "a#b@c" in out.read_text(encoding="utf-8")
    assert out.stat().st_mode & 0o077 == 0


@given(st.binary(max_size=300))
def test_no_bytes_make_the_import_fail_in_another_way(data: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cameras.csv"
        path.write_bytes(data)
        with pytest.raises(UserError):
            read_cameras(path)


def test_a_login_inside_an_address_is_what_it_stands_for(tmp_path: Path) -> None:
    """An address writes ``@`` as ``%40``; the camera wants the password itself."""
    sheet = CHINESE.replace("u:pw@", "u%2Fser:p%40ss%25@")
    cameras, secrets = read_cameras(csv_file(tmp_path, sheet))
    assert cameras[1].url == "rtsp://10.0.0.6/main"
    assert secrets["gate-2"].user == "u/ser"
    assert secrets["gate-2"].password.get_secret_value() == "p@ss%"


@pytest.mark.parametrize("login", ["u:p/w-x9@", "u:[w-x9@", "u:p?w-x9@", "u:p#w-x9@", "u：w-x9@"])
def test_a_login_that_breaks_its_address_is_no_part_of_a_site_file(
    tmp_path: Path, login: str
) -> None:
    with pytest.raises(UserError) as caught:
        read_cameras(csv_file(tmp_path, CHINESE.replace("u:pw@", login)))
    assert (caught.value.line, caught.value.field) == (3, "url")
    assert "w-x9" not in str(caught.value)


def test_a_password_without_a_user_is_not_thrown_away(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        read_cameras(csv_file(tmp_path, CHINESE.replace("左柱,admin,", "左柱,,")))
    assert (caught.value.line, caught.value.field) == (2, "user")
    assert "a#b@c" not in str(caught.value)
