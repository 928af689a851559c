"""Draws line and bar charts as SVG, so that measured curves can stand in the documentation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Final

WIDTH: Final = 640
HEIGHT: Final = 320
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 40, 52
_COLOURS: Final = ("#1f5fa8", "#c2571a", "#2e7d32", "#7b3fa0")
_TEXT: Final = 'font-family="sans-serif" font-size="12" fill="#333"'


def line_chart(
    title: str, x_title: str, ticks: Sequence[str], curves: Mapping[str, Sequence[float]]
) -> str:
    """Curves of shares (0 to 1) over evenly spaced ``ticks``, as SVG text."""
    parts = _frame(title, x_title)
    span = (WIDTH - _LEFT - _RIGHT) / max(len(ticks) - 1, 1)
    places = [_LEFT + index * span for index in range(len(ticks))]
    for place, tick in zip(places, ticks, strict=True):
        parts.append(_label(place, HEIGHT - _BOTTOM + 18, tick, "middle"))
    for number, (name, values) in enumerate(curves.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        points = [(place, _height(value)) for place, value in zip(places, values, strict=True)]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in points]
        x = _LEFT + 8 + 150 * number
        parts.append(f'<rect x="{x}" y="25" width="10" height="10" fill="{colour}"/>')
        parts.append(_label(x + 15, 34, name, "start"))
    return _svg(parts)


def bar_chart(title: str, bars: Mapping[str, float]) -> str:
    """Horizontal bars of shares (0 to 1), as SVG text."""
    step = (HEIGHT - _TOP - 16) / max(len(bars), 1)
    parts = [_label(WIDTH / 2, 18, title, "middle")]
    for index, (name, value) in enumerate(bars.items()):
        top = _TOP + index * step
        length = value * (WIDTH - 200)
        parts.append(_label(124, top + step * 0.7, name, "end"))
        parts.append(
            f'<rect x="130" y="{top:.1f}" width="{length:.1f}" height="{step * 0.75:.1f}" '
            f'fill="{_COLOURS[0]}"/>'
        )
        parts.append(_label(134 + length, top + step * 0.7, f"{value * 100:.1f} %", "start"))
    return _svg(parts)


def _frame(title: str, x_title: str) -> list[str]:
    parts = [
        _label(WIDTH / 2, 16, title, "middle"),
        _label((WIDTH + _LEFT) / 2, HEIGHT - 10, x_title, "middle"),
    ]
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        y = _height(share)
        parts.append(
            f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{WIDTH - _RIGHT}" y2="{y:.1f}" stroke="#ddd"/>'
        )
        parts.append(_label(_LEFT - 6, y + 4, f"{share * 100:.0f} %", "end"))
    return parts


def _height(share: float) -> float:
    return HEIGHT - _BOTTOM - share * (HEIGHT - _TOP - _BOTTOM)


def _label(x: float, y: float, text: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" {_TEXT}>{escape(text)}</text>'


def _svg(parts: Sequence[str]) -> str:
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}">\n'
        f'<rect width="100%" height="100%" fill="#fff"/>\n{body}\n</svg>\n'
    )
