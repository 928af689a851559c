"""A site file with a mistake is refused with the line, the key and what to do."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import UserError
from config.site import Site, load_site, parse_site

EXAMPLE = Path("config/example_county.toml").read_text(encoding="utf-8")


def broken(old: str, new: str) -> UserError:
    assert old in EXAMPLE
    with pytest.raises(UserError) as caught:
        parse_site(EXAMPLE.replace(old, new, 1), where="county.toml")
    return caught.value


def line_with(text: str, document: str) -> int:
    return next(n for n, line in enumerate(document.splitlines(), 1) if text in line)


def test_the_example_county_is_valid_and_its_references_resolve() -> None:
    site = parse_site(EXAMPLE, where="county.toml")
    assert site.county.name == "清河县"
    assert {camera.node for camera in site.cameras} == {"node-east", "node-lixiang"}
    assert site.grid("east-gate") is not None
    assert [camera.id for camera in site.cameras_of("node-lixiang")] == [
        "lixiang-road",
        "home-li-qiang",
    ]


def test_an_unknown_key_is_named_with_its_line() -> None:
    error = broken('sign = "院门右侧"', 'sign = "院门右侧"\nsgin = "院门"')
    changed = EXAMPLE.replace('sign = "院门右侧"', 'sign = "院门右侧"\nsgin = "院门"', 1)
    assert error.line == line_with("sgin", changed)
    assert error.field == "cameras[3].sgin"
    assert "not known" in str(error)


def test_a_wrong_value_is_named_with_the_line_of_its_own_key() -> None:
    error = broken('face = "off"', 'face = "recognise"')
    assert error.line == line_with('face = "off"', EXAMPLE)
    assert "'detect'" in str(error)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('node = "node-east"', 'node = "node-west"', "there is no 'node-west'"),
        ('grid = "east-gate"\nurl', 'grid = "nowhere"\nurl', "there is no 'nowhere'"),
        ('head = "wang-fang"', 'head = "nobody"', "there is no 'nobody'"),
        ('id = "east-gate-out"', 'id = "east-gate-in"', "used twice"),
        ('owner = "li-qiang"\n', "", "needs its owner"),
        ('face = "detect"', 'face = "household"', "home cameras only"),
        ("rtsp://127", "rtsp://admin:pw@127", "credentials do not belong"),
        ('zone = "Asia/Shanghai"', 'zone = "Asia/Nowhere"', "no time zone"),
        ('purpose = "车辆出入与公共安全"\n', "", "required"),
        ("retention_days = 7", "retention_days = 4000", "365"),
    ],
)
def test_what_does_not_hold_together_is_refused(old: str, new: str, words: str) -> None:
    assert words in str(broken(old, new))


def test_credentials_in_a_url_are_not_repeated_in_the_error() -> None:
    assert "geheim" not in str(broken("rtsp://127", "rtsp://admin:geheim@127"))


def test_broken_syntax_and_unreadable_files_are_errors_in_words(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="not valid TOML"):
        parse_site("[county\nid=", where="county.toml")
    with pytest.raises(UserError, match="cannot be read"):
        load_site(tmp_path / "missing.toml")
    (tmp_path / "latin.toml").write_bytes(b"name = '\xff\xfe'")
    with pytest.raises(UserError, match="cannot be read as UTF-8"):
        load_site(tmp_path / "latin.toml")


@given(st.text(max_size=300))
def test_no_text_makes_the_parser_fail_in_another_way(text: str) -> None:
    with pytest.raises(UserError):
        parse_site(text, where="county.toml")


@given(st.data())
def test_no_damage_to_a_good_file_makes_it_fail_in_another_way(data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(EXAMPLE)))
    length = data.draw(st.integers(0, 40))
    junk = data.draw(st.text(max_size=10))
    try:
        parse_site(EXAMPLE[:at] + junk + EXAMPLE[at + length :], where="county.toml")
    except UserError as error:
        assert error.where == "county.toml"


def test_a_changed_copy_of_a_site_answers_from_its_own_cameras(example_site: Site) -> None:
    first, second, *_ = example_site.cameras
    assert example_site.camera(first.id) is first
    assert example_site.camera("no-such-camera") is None
    fewer = example_site.model_copy(update={"cameras": (second,)})
    assert fewer.camera(first.id) is None
    assert fewer.camera(second.id) is second
    assert example_site.camera(first.id) is first
    assert example_site == Site.model_validate(example_site.model_dump())


def test_a_file_of_a_windows_editor_is_read_with_the_same_lines(tmp_path: Path) -> None:
    """Notepad writes a byte order mark, which nobody sees."""
    path = tmp_path / "county.toml"
    path.write_text(EXAMPLE, encoding="utf-8-sig")
    assert load_site(path).county.name == "清河县"


def test_a_login_that_an_address_hides_behind_a_slash_is_refused() -> None:
    error = broken('url = "rtsp://', 'url = "rtsp://admin:pa/ss@')
    assert "credentials do not belong in the site file" in str(error)
