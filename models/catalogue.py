"""What model files there are: licence, address, hash, and where they lie on this machine."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Final, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from config.errors import UserError

CATALOGUE: Final = Path(__file__).with_name("catalogue.toml")
WEIGHTS: Final = Path(__file__).with_name("weights")
"""Where the files that belong to the repository lie."""

Task = Literal[
    "plate-detection", "plate-reading", "face-detection", "face-embedding", "object-detection"
]
_CHUNK: Final = 1 << 20


class Entry(BaseModel):
    """One model file. See the head of catalogue.toml."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9.-]{0,40}$")]
    task: Task
    family: Literal["menshen", "yunet", "scrfd"] | None = None
    file: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.onnx$")]
    title: str
    licence: str
    upstream: str = ""
    research_only: bool = False
    bundled: bool = False
    default: bool = False
    input: str
    outputs: str = ""
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    sha256: Annotated[str, StringConstraints(pattern=r"^([0-9a-f]{64})?$")]
    size_bytes: Annotated[int, Field(ge=0)] | None = None
    addresses: tuple[Annotated[str, StringConstraints(pattern=r"^https://")], ...] = ()
    by_hand: str = ""

    @model_validator(mode="after")
    def _can_be_had_and_is_licensed(self) -> Self:
        if self.research_only and self.default:
            raise ValueError("weights for research only are never a default")
        if not (self.bundled or self.addresses or self.by_hand):
            raise ValueError("needs addresses, by_hand or bundled")
        if not self.bundled and not self.sha256:
            raise ValueError("needs a sha256")
        return self


class State(StrEnum):
    """What `verify` finds."""

    GOOD = "good"
    MISSING = "missing"
    WRONG = "wrong hash"


@dataclass(frozen=True, slots=True)
class Store:
    """The folders of this machine that may hold model files, looked through in this order:
    the repository's own weights, ``models_dir`` (pulled files), ``mirror``.
    """

    models_dir: Path
    mirror: Path | None = None

    def find(self, entry: Entry) -> Path | None:
        """The first existing file of ``entry``, whatever is in it."""
        return next((path for path in self.places(entry) if path.is_file()), None)

    def places(self, entry: Entry) -> tuple[Path, ...]:
        """Where the file of ``entry`` may lie."""
        if entry.bundled:
            return (WEIGHTS / entry.file,)
        folders = [self.models_dir, *([self.mirror] if self.mirror else [])]
        return tuple(folder / entry.file for folder in folders)

    def state(self, entry: Entry) -> tuple[State, Path | None]:
        """Whether a file of ``entry`` is here and is the right one."""
        path = self.find(entry)
        if path is None:
            return State.MISSING, None
        good = bool(entry.sha256) and sha256_of(path) == entry.sha256
        return (State.GOOD if good else State.WRONG), path


@cache
def load_catalogue(path: Path = CATALOGUE) -> Mapping[str, Entry]:
    """Entries by name, in the file's order.

    Raises:
        UserError: the file is not valid; it names the entry and the key.
    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8")).get("model", [])
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise UserError(
            where=str(path), problem=f"cannot be read: {error}", remedy="reinstall menshen"
        ) from error
    entries: dict[str, Entry] = {}
    for number, table in enumerate(tables):
        entry = _parse(path, number, table)
        if entry.name in entries:
            raise UserError(
                where=str(path),
                field=f"model[{number}].name",
                problem=f"{entry.name!r} is already taken",
                remedy="give every model its own name",
            )
        entries[entry.name] = entry
    return entries


def entry_named(name: str) -> Entry:
    """The entry called ``name``.

    Raises:
        UserError: there is none; it lists the names there are.
    """
    entries = load_catalogue()
    if name not in entries:
        raise UserError(
            where="model catalogue",
            field=name,
            problem="no such model",
            remedy=f"use one of: {', '.join(entries)}",
        )
    return entries[name]


def sha256_of(path: Path) -> str:
    """64 lower-case hex digits of a file's content, read in pieces.

    Raises:
        UserError: the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(_CHUNK):
                digest.update(piece)
    except OSError as error:
        raise UserError(
            where=str(path),
            problem=f"cannot be read ({error.strerror or error})",
            remedy="let this user read it, or restore it: menshen models verify says how",
        ) from error
    return digest.hexdigest()


def _parse(path: Path, number: int, table: object) -> Entry:
    try:
        return Entry.model_validate(table)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(str(part) for part in first["loc"])
        raise UserError(
            where=str(path),
            field=f"model[{number}].{key}".rstrip("."),
            problem=first["msg"],
            remedy="correct this entry",
        ) from None
