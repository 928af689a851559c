"""Reads a duty list (值班表, CSV as spreadsheets write it) into rosters and dated overrides."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from config.duty import Override, Roster, Shift
from config.errors import UserError
from config.event import Frozen
from config.holidays import WEEKDAYS, DayName
from config.sheets import read_sheet
from config.site import Grid, Site

_Kind = TypeVar("_Kind", bound=Frozen)

COLUMNS: dict[str, tuple[str, ...]] = {
    "grid": ("grid", "网格"),
    "date": ("date", "日期"),
    "days": ("days", "星期"),
    "start": ("start", "开始", "开始时间", "上班"),
    "end": ("end", "结束", "结束时间", "下班"),
    "people": ("people", "值班人", "值班人员", "人员"),
    "rotate": ("rotate", "轮换", "每周轮换"),
    "reason": ("reason", "备注"),
}
_DAY_NAMES: tuple[DayName, ...] = get_args(DayName)
_CHINESE_DAYS = "一二三四五六日"
_DAY_WORDS: dict[str, tuple[DayName, ...]] = {
    "每天": WEEKDAYS, "每日": WEEKDAYS, "daily": WEEKDAYS, "工作日": ("workday",),
    "休息日": ("restday",), "节假日": ("restday",), "法定节假日": ("holiday",),
    "周末": ("sat", "sun"),
}  # fmt: skip
_YES = frozenset({"是", "yes", "true", "1", "轮换"})
_NO = frozenset({"否", "no", "false", "0"})
_DATE = re.compile(r"(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?|(\d{4})(\d{2})(\d{2})")
_TIME = re.compile(r"(\d{1,2})(?:[:：时点](\d{2})?)?(?::00)?分?")
_SEPARATORS = re.compile(r"[、，,；;/\s]+")


@dataclass(frozen=True, slots=True)
class DutyList:
    """What a list says: weekly shifts by grid, and dated turns."""

    rosters: tuple[Roster, ...]
    overrides: tuple[Override, ...]


def read_duty(path: Path, site: Site) -> DutyList:
    """The duty of a CSV list: a row with a date is a turn of that day, one with days a shift.

    Grids and people may be named by id or by name. ``end`` at or before ``start`` is the next
    day's. Encodings and separators as :func:`config.sheets.read_sheet`.

    Raises:
        UserError: names the file, the row and the column of the first mistake; nothing is taken
            from a list with a mistake.
    """
    shifts: dict[str, list[Shift]] = defaultdict(list)
    overrides: list[Override] = []
    for line, cells in read_sheet(path, COLUMNS, what="turn of duty"):
        row = _Row(path, line, cells, site)
        grid = row.grid()
        if ("date" in cells) == ("days" in cells):
            raise row.wrong("date", "give a date or days of the week, one of the two")
        if "date" in cells:
            overrides.append(row.override(grid))
        else:
            shifts[grid.id].append(row.shift(grid))
    rosters = tuple(Roster(grid=grid, shifts=tuple(found)) for grid, found in shifts.items())
    return DutyList(rosters, tuple(overrides))


def as_toml(duty: DutyList) -> str:
    """``[[rosters]]`` and ``[[overrides]]`` tables to append to a site file."""
    lines: list[str] = []
    for roster in duty.rosters:
        lines += ["[[rosters]]", f"grid = {_toml(roster.grid)}", "shifts = ["]
        lines += [f"    {{ {_pairs(shift)} }}," for shift in roster.shifts]
        lines += ["]", ""]
    for override in duty.overrides:
        body = override.model_dump(exclude_defaults=True)
        lines += ["[[overrides]]", *(f"{key} = {_toml(value)}" for key, value in body.items()), ""]
    return "\n".join(lines)


@dataclass(frozen=True, slots=True)
class _Row:
    path: Path
    line: int
    cells: dict[str, str]
    site: Site

    def wrong(self, field: str, problem: str) -> UserError:
        title = COLUMNS[field][1]
        shown = self.cells.get(field)
        return UserError(
            where=str(self.path),
            line=self.line,
            field=title,
            problem=f"{shown!r}: {problem}" if shown else problem,
            remedy="correct this cell; docs/routing.md shows a list",
        )

    def grid(self) -> Grid:
        text = self._cell("grid")
        found = [grid for grid in self.site.grids if text in (grid.id, grid.name)]
        if len(found) != 1:
            problem = "the site lists no such grid" if not found else "several grids are called so"
            raise self.wrong("grid", problem)
        return found[0]

    def override(self, grid: Grid) -> Override:
        day = self._date()
        start, end = self._time("start"), self._time("end")
        last = day if end > start else day + timedelta(days=1)
        people = self._people(grid)
        span = {"start": datetime.combine(day, start), "end": datetime.combine(last, end)}
        return self._checked(
            Override, {"grid": grid.id, "people": people, "reason": self.cells.get("reason", "")}
            | span,
        )  # fmt: skip

    def shift(self, grid: Grid) -> Shift:
        return self._checked(
            Shift,
            {
                "people": self._people(grid),
                "days": self._days(),
                "start": self._time("start"),
                "end": self._time("end"),
                "rotate": self._rotate(),
            },
        )

    def _cell(self, field: str) -> str:
        if field not in self.cells:
            raise self.wrong(field, "is empty")
        return self.cells[field]

    def _date(self) -> date:
        found = _DATE.fullmatch(self._cell("date"))
        parts = [int(part) for part in found.groups() if part is not None] if found else []
        try:
            return date(*parts)
        except (TypeError, ValueError):
            raise self.wrong("date", "is no date such as 2026-10-01") from None

    def _time(self, field: str) -> time:
        found = _TIME.fullmatch(self._cell(field))
        hour, minute = (int(part or 0) for part in found.groups()) if found else (99, 0)
        try:
            return time(hour % 24 if (hour, minute) == (24, 0) else hour, minute)
        except ValueError:
            raise self.wrong(field, "is no time such as 08:00") from None

    def _rotate(self) -> bool:
        text = self.cells.get("rotate", "否").lower()
        if text not in _YES | _NO:
            raise self.wrong("rotate", "write 是 or 否")
        return text in _YES

    def _days(self) -> tuple[DayName, ...]:
        names: list[DayName] = []
        for word in _SEPARATORS.split(self._cell("days")):
            names += self._day_words(word.lower())
        return tuple(dict.fromkeys(names))

    def _day_words(self, word: str) -> Iterable[DayName]:
        if word in _DAY_WORDS:
            return _DAY_WORDS[word]
        ends = re.split(r"[至到~-]", word)
        numbers = [_day_number(part) for part in ends]
        if len(ends) == 2 and None not in numbers:
            first, last = (number or 0 for number in numbers)
            return [WEEKDAYS[(first + step) % 7] for step in range((last - first) % 7 + 1)]
        if len(ends) == 1 and numbers[0] is not None:
            return [WEEKDAYS[numbers[0]]]
        single = [name for name in _DAY_NAMES if name == word]
        if not single:
            raise self.wrong("days", f"{word!r} is no day such as 周一, 周一至周五 or 工作日")
        return single

    def _people(self, grid: Grid) -> tuple[str, ...]:
        words = [word for word in _SEPARATORS.split(self._cell("people")) if word]
        return tuple(dict.fromkeys(self._person(word, grid) for word in words))

    def _person(self, word: str, grid: Grid) -> str:
        """By id, else by name: of the grid first, then of the county."""
        if self.site.person(word) is not None:
            return word
        named = [person for person in self.site.people if person.name == word]
        near = [person for person in named if person.grid == grid.id]
        found = near or named
        if len(found) != 1:
            problem = "is listed by no such name" if not found else "is the name of several people"
            raise self.wrong("people", f"{word!r} {problem}")
        return found[0].id

    def _checked(self, kind: type[_Kind], fields: dict[str, Any]) -> _Kind:
        try:
            return kind.model_validate(fields)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            field = str(first["loc"][0]) if first["loc"] else "start"
            problem = str(first["msg"]).removeprefix("Value error, ")
            raise self.wrong(field if field in COLUMNS else "start", problem) from None


def _day_number(word: str) -> int | None:
    """周一, 星期一, 礼拜天, 一, mon, Monday or 1: 0 for Monday."""
    text = re.sub(r"^(周|星期|礼拜)", "", word).replace("天", "日")
    if len(text) == 1 and text in _CHINESE_DAYS:
        return _CHINESE_DAYS.index(text)
    if text in ("1", "2", "3", "4", "5", "6", "7"):
        return int(text) - 1
    long = [number for number, day in enumerate(WEEKDAYS) if len(text) >= 3 and _is_day(text, day)]
    return long[0] if long else None


def _is_day(text: str, day: str) -> bool:
    full = {"mon": "monday", "tue": "tuesday", "wed": "wednesday", "thu": "thursday",
            "fri": "friday", "sat": "saturday", "sun": "sunday"}[day]  # fmt: skip
    return text in (day, full)


def _pairs(shift: Shift) -> str:
    body = shift.model_dump()
    return ", ".join(f"{key} = {_toml(body[key])}" for key in body if body[key] is not False)


def _toml(value: Any) -> str:
    if isinstance(value, datetime | time):
        return value.isoformat()
    if isinstance(value, bool):
        return "true" if value else "false"
    # A JSON string, or array of strings, is also TOML.
    return json.dumps(value, ensure_ascii=False)
