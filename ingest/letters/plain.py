"""Checks the JSON of an event as :class:`config.event.Event` does, without making its objects."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import CoreConfig, SchemaValidator

from config.event import Event, EventKind

PlainEvent = dict[str, Any]
"""The fields that the JSON has, by name; models are dicts, enumerations their values."""

_BODIES = frozenset({EventKind.PLATE, EventKind.FACE, EventKind.HEALTH, EventKind.SHED})
_CONFIG = CoreConfig(extra_fields_behavior="forbid", val_json_bytes="base64")
"""As :class:`config.event.Frozen` has it."""
_OWN_CHECK = "_one_body_of_the_right_kind"
"""The one check of :class:`Event` that is Python's; :func:`_agrees` is it for plain values."""
_WITH_PARTS = frozenset(
    {"nullable", "tuple", "list", "dict", "schema", "items_schema", "keys_schema", "values_schema"}
)
_LEAVES = frozenset({"str", "int", "float", "bool", "bytes", "datetime", "literal"})


def read_plain(body: str) -> PlainEvent | None:
    """The event in ``body``; None where it is not one, or is written in a lenient form.

    Strict: a number is a number and a text a text, though :class:`Event` would take ``"3"`` for 3.
    """
    try:
        event: PlainEvent = _CHECK.validate_json(body, strict=True)
    except ValidationError:
        return None
    return event if _agrees(event) else None


def count_keys(event: PlainEvent) -> int:
    """How many keys its JSON has, each written once."""
    count = len(event)
    if plate := event.get("plate"):
        count += len(plate) + sum(map(len, plate["characters"]))
    for name in ("face", "health"):
        count += len(event.get(name) or ())
    if shed := event.get("shed"):
        count += len(shed) + len(shed["kinds"])
    return count + sum(map(len, event.get("evidence", ())))


def _agrees(event: PlainEvent) -> bool:
    kind = event["kind"]
    for body in _BODIES:
        if (event.get(body) is not None) != (body == kind):
            return False
    ended_at = event.get("ended_at")
    return ended_at is None or bool(ended_at >= event["started_at"])


def _plain(schema: Any) -> Any:
    """A core schema (pydantic_core.core_schema) with models as dicts and enumerations as texts.

    Raises:
        TypeError: it holds something that this does not know how to keep as strict.
    """
    kind = schema["type"]
    if kind == "function-after":
        if schema["function"]["function"].__name__ != _OWN_CHECK:
            raise TypeError(f"a check of Event that plain events lack: {schema['function']}")
        return _plain(schema["schema"])
    if kind == "model":
        return _plain(schema["schema"])
    if kind == "model-fields":
        fields = {name: _field(field["schema"]) for name, field in schema["fields"].items()}
        return {"type": "typed-dict", "fields": fields, "config": _CONFIG}
    if kind == "enum":
        return {"type": "literal", "expected": [member.value for member in schema["members"]]}
    if kind in _LEAVES:
        return schema
    if kind not in _WITH_PARTS:
        raise TypeError(f"a kind of field that plain events lack: {kind}")
    return {name: _part(value) if name in _WITH_PARTS else value for name, value in schema.items()}


def _part(value: Any) -> Any:
    return [_plain(one) for one in value] if isinstance(value, list) else _plain(value)


def _field(schema: Any) -> dict[str, Any]:
    has_default = schema["type"] == "default"
    inner = _plain(schema["schema"] if has_default else schema)
    return {"type": "typed-dict-field", "schema": inner, "required": not has_default}


_CHECK = SchemaValidator(_plain(Event.__pydantic_core_schema__))
