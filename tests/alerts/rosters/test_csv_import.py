"""Duty lists as counties keep them: encodings of Excel, Chinese days, names; and broken ones."""

from __future__ import annotations

from datetime import datetime, time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from alerts.cli import app
from alerts.rosters.csv_import import as_toml, read_duty
from config.errors import UserError
from config.site import Site, parse_site

ROOT = Path(__file__).resolve().parent.parent.parent.parent
EXAMPLE = ROOT / "config" / "example_county.toml"
LIST = """网格,星期,日期,开始,结束,值班人,轮换,备注
东门网格,周一至周五,,8:00,20:00,刘洋、陈杰,是,
east-gate,每天,,20:00,08:00,chen-jie,否,
李巷网格,"周六，周日",,0:00,24:00,孙梅,,
李巷网格,,2026/10/1,20:00,8:00,王芳,,国庆
李巷网格,,2026年10月2日,8点,20点,孙梅 王芳,,
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk", "gb18030"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_list_from_a_spreadsheet_becomes_rosters_and_dated_turns(
    tmp_path: Path, example_site: Site, encoding: str, separator: str
) -> None:
    path = tmp_path / "值班表.csv"
    path.write_bytes(LIST.replace(",", separator).replace("\n", "\r\n").encode(encoding))
    duty = read_duty(path, example_site)
    east, lixiang = duty.rosters
    assert [shift.people for shift in east.shifts] == [("liu-yang", "chen-jie"), ("chen-jie",)]
    assert (east.shifts[0].days, east.shifts[0].rotate) == (
        ("mon", "tue", "wed", "thu", "fri"),
        True,
    )
    assert (lixiang.shifts[0].days, lixiang.shifts[0].end) == (("sat", "sun"), time(0, 0))
    night, day = duty.overrides
    assert (night.start, night.end) == (datetime(2026, 10, 1, 20), datetime(2026, 10, 2, 8))
    assert (night.people, night.reason) == (("wang-fang",), "国庆")
    assert (day.start, day.people) == (datetime(2026, 10, 2, 8), ("sun-mei", "wang-fang"))


def test_what_it_prints_is_a_site_file_with_the_same_duty(
    tmp_path: Path, example_site: Site
) -> None:
    path = tmp_path / "duty.csv"
    path.write_text(LIST, encoding="utf-8")
    duty = read_duty(path, example_site)
    example = EXAMPLE.read_text(encoding="utf-8")
    head = example[: example.index("[[rosters]]")]
    rest = example[example.index("[[rules]]") :]
    site = parse_site(f"{head}\n{as_toml(duty)}\n{rest}", where="county.toml")
    assert (site.rosters, site.overrides) == (duty.rosters, duty.overrides)


def test_the_command_prints_tables_and_the_holes_they_leave(tmp_path: Path) -> None:
    path = tmp_path / "duty.csv"
    path.write_text(LIST, encoding="gbk")
    done = CliRunner().invoke(app, ["roster", "import", str(path), "--site", str(EXAMPLE)])
    assert done.exit_code == 0, done.output
    assert "[[rosters]]" in done.stdout
    assert "3 weekly shifts and 2 dated turns" in done.stderr
    assert "nobody from" in done.stderr, "weekends of one grid by day, workdays of the other"


@pytest.mark.parametrize(
    ("row", "field", "problem"),
    [
        ("南门网格,每天,,8:00,20:00,刘洋", "网格", "no such grid"),
        (",每天,,8:00,20:00,刘洋", "网格", "is empty"),
        ("东门网格,,,8:00,20:00,刘洋", "日期", "one of the two"),
        ("东门网格,每天,2026-10-01,8:00,20:00,刘洋", "日期", "one of the two"),
        ("东门网格,,2026-02-30,8:00,20:00,刘洋", "日期", "is no date"),
        ("东门网格,,10-01,8:00,20:00,刘洋", "日期", "is no date"),
        ("东门网格,周八,,8:00,20:00,刘洋", "星期", "is no day"),
        ("东门网格,每天,,25:00,20:00,刘洋", "开始", "is no time"),
        ("东门网格,每天,,8:00,早上,刘洋", "结束", "is no time"),
        ("东门网格,每天,,8:00,20:00,张三", "值班人", "no such name"),
        ("东门网格,每天,,8:00,20:00,", "值班人", "is empty"),
        ("东门网格,每天,,8:00,20:00,刘洋,也许", "轮换", "write 是 or 否"),
    ],
)
def test_a_mistake_is_named_by_row_and_column(
    tmp_path: Path, example_site: Site, row: str, field: str, problem: str
) -> None:
    path = tmp_path / "duty.csv"
    first = "东门网格,每天,,8:00,20:00,刘洋,"
    path.write_text(f"网格,星期,日期,开始,结束,值班人,轮换\n{first}\n{row}\n", encoding="utf-8")
    with pytest.raises(UserError, match=problem) as error:
        read_duty(path, example_site)
    assert (error.value.line, error.value.field) == (3, field)


def test_two_people_of_one_name_are_told_apart_by_their_grid(
    tmp_path: Path, example_site: Site
) -> None:
    other = example_site.people[1].model_copy(update={"id": "liu-yang-2", "grid": "lixiang"})
    site = example_site.model_copy(update={"people": (*example_site.people, other)})
    path = tmp_path / "duty.csv"
    path.write_text("网格,星期,开始,结束,值班人\n李巷网格,每天,0:00,0:00,刘洋\n", encoding="utf-8")
    assert read_duty(path, site).rosters[0].shifts[0].people == ("liu-yang-2",)
    strange = other.model_copy(update={"grid": "east-gate"})
    site = example_site.model_copy(update={"people": (*example_site.people, strange)})
    with pytest.raises(UserError, match="the name of several people"):
        read_duty(path, site)


@settings(max_examples=150)
@given(st.binary(max_size=400) | st.text(max_size=200).map(lambda text: (LIST + text).encode()))
def test_whatever_the_file_holds_it_is_read_or_refused_in_words(
    tmp_path_factory: pytest.TempPathFactory, example_site: Site, data: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "hostile.csv"
    path.write_bytes(data)
    try:
        read_duty(path, example_site)
    except UserError as error:
        assert "hostile.csv" in str(error)
