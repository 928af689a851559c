"""Writes the smallest ONNX files, byte by byte, so that tests need no model of anybody's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Shape = Sequence[int | str]
_FLOAT = 1


def identity(
    shape: Shape,
    *,
    input_name: str = "input",
    output_names: Sequence[str] = ("output",),
    metadata: Mapping[str, str] | None = None,
) -> bytes:
    """A network whose outputs all equal its float input (onnx.proto3, IR 8, opset 13)."""
    nodes = b"".join(
        _field(1, _text(1, input_name) + _text(2, name) + _text(4, "Identity"))
        for name in output_names
    )
    graph = nodes + _text(2, "tiny") + _field(11, _value(input_name, shape))
    graph += b"".join(_field(12, _value(name, shape)) for name in output_names)
    properties = b"".join(
        _field(14, _text(1, key) + _text(2, value)) for key, value in (metadata or {}).items()
    )
    return _number(1, 8) + _field(7, graph) + _field(8, _number(2, 13)) + properties


def _value(name: str, shape: Shape) -> bytes:
    axes = b"".join(
        _field(1, _number(1, axis) if isinstance(axis, int) else _text(2, axis)) for axis in shape
    )
    tensor = _number(1, _FLOAT) + _field(2, axes)
    return _text(1, name) + _field(2, _field(1, tensor))


def _varint(value: int) -> bytes:
    pieces = bytearray()
    while value > 0x7F:
        pieces.append(value & 0x7F | 0x80)
        value >>= 7
    pieces.append(value)
    return bytes(pieces)


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, text: str) -> bytes:
    return _field(field, text.encode())
