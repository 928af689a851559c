"""What every benchmark prints: the machine beside the number, a table, JSON at the end."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import cv2
import numpy as np
import onnxruntime
import typer
from rich.console import Console
from rich.table import Table

JsonFlag = Annotated[
    bool, typer.Option("--json", help="Print one JSON object on the last line as well.")
]


def one_thread() -> None:
    """Make OpenCV use one thread, as the sessions under test do."""
    cv2.setNumThreads(1)


def machine() -> str:
    """The processor, its cores and load, and the versions that matter."""
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{_processor()}, {os.cpu_count()} cores (load {load}), Python "
        f"{platform.python_version()}, ONNX Runtime {onnxruntime.__version__}, "
        f"OpenCV {cv2.__version__}, NumPy {np.__version__}"
    )


def show(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print a table and the machine under it."""
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index == 0 else "right")
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.print(table)
    console.print(machine(), style="dim", soft_wrap=True)


def finish(result: Mapping[str, Any], *, as_json: bool) -> None:
    """The last line, when it was asked for."""
    if as_json:
        typer.echo(json.dumps(result, ensure_ascii=False))


def share(value: float | None) -> str:
    """``0.9812`` as ``98.12 %``; nothing to count is a dash."""
    return "–" if value is None else f"{value * 100:.2f} %"


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()
