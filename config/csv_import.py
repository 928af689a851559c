"""Reads an installer's list of cameras (CSV, as spreadsheets write it) into site cameras."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from pydantic import ValidationError

from config.errors import UserError
from config.secrets import CameraSecret
from config.site import Camera

COLUMNS: dict[str, tuple[str, ...]] = {
    "id": ("id", "编号", "摄像机编号"),
    "name": ("name", "名称", "摄像机名称"),
    "node": ("node", "节点", "边缘节点"),
    "grid": ("grid", "网格"),
    "url": ("url", "主码流", "rtsp"),
    "sub_url": ("sub_url", "子码流"),
    "gb_id": ("gb_id", "国标编号"),
    "legal_class": ("legal_class", "类别", "场所类别"),
    "duty_holder": ("duty_holder", "责任单位", "责任人"),
    "purpose": ("purpose", "用途", "采集目的"),
    "sign": ("sign", "提示标识", "标识位置"),
    "retention_days": ("retention_days", "保存天数"),
    "face": ("face", "人脸策略"),
    "owner": ("owner", "户主"),
    "user": ("user", "用户名"),
    "password": ("password", "密码"),
}
"""Field and the column headings it is known by; case and surrounding blanks do not matter."""

LEGAL_CLASSES = {
    "住户": "home",
    "村": "village",
    "小区": "gated",
    "道路": "street",
    "学校": "school",
}
LIMIT_BYTES = 10_000_000


def read_cameras(path: Path) -> tuple[list[Camera], dict[str, CameraSecret]]:
    """The cameras of a CSV list, and their credentials apart from them.

    The text may be UTF-8 (with or without a byte order mark) or GB 18030, separated by comma,
    semicolon or tab. Credentials may stand in their own columns or inside the RTSP address.

    Raises:
        UserError: names the file, the row and the column of the first mistake; nothing is taken
            from a list with a mistake.
    """
    rows = _rows(path)
    heading = _heading(path, rows[0][1])
    cameras: list[Camera] = []
    secrets: dict[str, CameraSecret] = {}
    seen: dict[str, int] = {}
    for line, cells in rows[1:]:
        fields = _fields(path, line=line, heading=heading, cells=cells)
        secret = _take_secret(fields)
        camera = _camera(path, line=line, fields=fields)
        if camera.id in seen:
            raise UserError(
                where=str(path),
                line=line,
                field="id",
                problem=f"{camera.id!r} is already used in line {seen[camera.id]}",
                remedy="give every camera its own id",
            )
        seen[camera.id] = line
        cameras.append(camera)
        if secret is not None:
            secrets[camera.id] = secret
    return cameras, secrets


def as_toml(cameras: list[Camera]) -> str:
    """``[[cameras]]`` tables to append to a site file; fields at their default are left out."""
    lines: list[str] = []
    for camera in cameras:
        lines += ["[[cameras]]"]
        for key, value in camera.model_dump(mode="json", exclude_defaults=True).items():
            # A JSON string, number or array of them is also TOML.
            lines.append(f"{key} = {json.dumps(value, ensure_ascii=False)}")
        lines.append("")
    return "\n".join(lines)


def secrets_toml(secrets: dict[str, CameraSecret]) -> str:
    """``[cameras.<id>]`` tables for a secrets file. Write it with mode 600; never print it."""
    lines: list[str] = []
    for camera, secret in secrets.items():
        lines += [
            f"[cameras.{camera}]",
            f"user = {json.dumps(secret.user, ensure_ascii=False)}",
            f"password = {json.dumps(secret.password.get_secret_value(), ensure_ascii=False)}",
            "",
        ]
    return "\n".join(lines)


def _rows(path: Path) -> list[tuple[int, list[str]]]:
    """Non-empty rows with their 1-based line numbers; at least a heading and one camera."""
    text = _text(path)
    first = text.splitlines()[0] if text.strip() else ""
    separator = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    rows: list[tuple[int, list[str]]] = []
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((reader.line_num, [cell.strip() for cell in cells]))
    except csv.Error as error:
        raise UserError(
            where=str(path),
            line=reader.line_num,
            problem=f"not a CSV row ({error})",
            remedy="save the sheet as CSV again",
        ) from None
    if len(rows) < 2:
        raise UserError(
            where=str(path),
            problem="has no camera in it",
            remedy="put the column names in the first row and one camera in each row below",
        )
    return rows


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > LIMIT_BYTES:
            raise UserError(
                where=str(path),
                problem=f"is larger than {LIMIT_BYTES // 1_000_000} MB",
                remedy="give a list of cameras; split it if it really is that long",
            )
        data = path.read_bytes()
    except OSError as error:
        raise UserError(
            where=str(path),
            problem=f"cannot be read ({type(error).__name__})",
            remedy="give the path of a CSV file",
        ) from None
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UserError(
        where=str(path),
        problem="is neither UTF-8 nor GB 18030 text",
        remedy="save the sheet as CSV (UTF-8)",
    )


def _heading(path: Path, cells: list[str]) -> list[str]:
    names = {title: field for field, titles in COLUMNS.items() for title in titles}
    heading: list[str] = []
    for cell in cells:
        field = names.get(cell.lower())
        if field is None or field in heading:
            known = "、".join(
                titles[1] if len(titles) > 1 else titles[0] for titles in COLUMNS.values()
            )
            raise UserError(
                where=str(path),
                line=1,
                field=cell or "(empty heading)",
                problem="is used twice" if field else "is not a known column",
                remedy=f"use these columns: {known}",
            )
        heading.append(field)
    return heading


def _fields(path: Path, *, line: int, heading: list[str], cells: list[str]) -> dict[str, str]:
    if len(cells) > len(heading):
        raise UserError(
            where=str(path),
            line=line,
            problem=f"has {len(cells)} cells under {len(heading)} column names",
            remedy="quote cells that contain the separator",
        )
    return {field: cell for field, cell in zip(heading, cells, strict=False) if cell}


def _take_secret(fields: dict[str, str]) -> CameraSecret | None:
    """Remove credentials from ``fields`` and return them, from columns or from the address."""
    user, password = fields.pop("user", None), fields.pop("password", None)
    for key in ("url", "sub_url"):
        parts = urlsplit(fields.get(key, ""))
        login, at, host = parts.netloc.rpartition("@")
        if at:
            in_url_user, _, in_url_password = login.partition(":")
            user, password = user or in_url_user, password or in_url_password
            fields[key] = urlunsplit(parts._replace(netloc=host))
    if not user:
        return None
    return CameraSecret.model_validate({"user": user, "password": password or ""})


def _camera(path: Path, *, line: int, fields: dict[str, str]) -> Camera:
    fields["legal_class"] = LEGAL_CLASSES.get(
        fields.get("legal_class", ""), fields.get("legal_class", "")
    )
    try:
        return Camera.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UserError(
            where=str(path),
            line=line,
            field=".".join(str(part) for part in first["loc"]) or None,
            problem=str(first["msg"]).removeprefix("Value error, "),
            remedy="correct this cell; `menshen config schema` explains it",
        ) from None
