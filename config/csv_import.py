"""Reads an installer's list of cameras (CSV, as spreadsheets write it) into site cameras."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

from pydantic import ValidationError

from config.errors import UserError
from config.secrets import CameraSecret, holds_login
from config.sheets import read_sheet
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


def read_cameras(path: Path) -> tuple[list[Camera], dict[str, CameraSecret]]:
    """The cameras of a CSV list, and their credentials apart from them.

    The text may be UTF-8 (with or without a byte order mark) or GB 18030, separated by comma,
    semicolon or tab. Credentials may stand in their own columns or inside the RTSP address.

    Raises:
        UserError: names the file, the row and the column of the first mistake; nothing is taken
            from a list with a mistake.
    """
    cameras: list[Camera] = []
    secrets: dict[str, CameraSecret] = {}
    seen: dict[str, int] = {}
    for line, fields in read_sheet(path, COLUMNS, what="camera"):
        secret = _take_secret(fields, where=str(path), line=line)
        camera = camera_of(fields, where=str(path), line=line)
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


def _take_secret(fields: dict[str, str], *, where: str, line: int) -> CameraSecret | None:
    """Remove credentials from ``fields`` and return them, from columns or from the address.

    Raises:
        UserError: an address whose login cannot be told from the rest, or a password without a
            user.
    """
    user, password = fields.pop("user", None), fields.pop("password", None)
    for key in ("url", "sub_url"):
        url, login = _without_login(fields.get(key, ""))
        if url is None:
            raise UserError(
                where=where,
                line=line,
                field=key,
                problem="is no address, or its login has a sign that ends it, such as / ? # or [",
                remedy="write user and password into columns of their own (用户名, 密码)",
            )
        if key in fields:
            fields[key] = url
            in_url_user, _, in_url_password = login.partition(":")
            # In an address %40 stands for @ (RFC 3986, 2.1).
            user, password = user or unquote(in_url_user), password or unquote(in_url_password)
    if not user and password:
        raise UserError(
            where=where,
            line=line,
            field="user",
            problem="is empty beside a password",
            remedy="add the user (用户名), or empty the password (密码)",
        )
    return CameraSecret.model_validate({"user": user, "password": password or ""}) if user else None


def _without_login(url: str) -> tuple[str | None, str]:
    """An address without its login, and that login; None where the two cannot be told apart."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None, ""
    login, at, host = parts.netloc.rpartition("@")
    plain = urlunsplit(parts._replace(netloc=host)) if at else url
    return (None if holds_login(plain) else plain), login


def camera_of(fields: dict[str, str], *, where: str, line: int | None = None) -> Camera:
    """The camera that these texts describe, by field; empty ones are to be left out.

    Raises:
        UserError: names the first field that is wrong.
    """
    fields["legal_class"] = LEGAL_CLASSES.get(
        fields.get("legal_class", ""), fields.get("legal_class", "")
    )
    try:
        return Camera.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        raise UserError(
            where=where,
            line=line,
            field=".".join(str(part) for part in first["loc"]) or None,
            problem=str(first["msg"]).removeprefix("Value error, "),
            remedy="correct this cell; `menshen config schema` explains it",
        ) from None
