"""Starts processes that have their imports done already: forked from one that did them once."""

from __future__ import annotations

import importlib
import os
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context, reduction
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import IO

_CONTEXT = get_context("forkserver")
_STARTING = threading.Lock()  # the fork server is asked by one at a time


@dataclass(frozen=True, slots=True)
class Program:
    """``module:function``, called with ``arguments`` as if they were a command line's.

    With ``is_command`` they are put into ``sys.argv`` instead, and the function gets none.
    """

    place: str
    arguments: tuple[str, ...]
    is_command: bool = False

    @property
    def module(self) -> str:
        """The module to import."""
        return self.place.partition(":")[0]


def preload(modules: Sequence[str]) -> None:
    """Import these once, before the first process starts."""
    _CONTEXT.set_forkserver_preload(list(modules))


def start(program: Program, environment: dict[str, str]) -> tuple[BaseProcess, IO[str]]:
    """A process that runs ``program``, and what it prints; its standard error goes nowhere."""
    reading, writing = os.pipe()
    ours, theirs = _CONTEXT.Pipe()
    with _STARTING:
        process = _CONTEXT.Process(target=_run, args=(program, environment, theirs), daemon=True)
        process.start()
    theirs.close()
    assert process.pid is not None
    reduction.send_handle(ours, writing, process.pid)
    ours.close()
    os.close(writing)
    return process, os.fdopen(reading, encoding="utf-8")


def _run(program: Program, environment: dict[str, str], pipe: Connection) -> None:
    output = reduction.recv_handle(pipe)
    os.dup2(output, 1)
    os.close(output)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    sys.stdout = os.fdopen(1, "w", encoding="utf-8", closefd=False)
    os.environ |= environment
    function: Callable[..., None] = getattr(
        importlib.import_module(program.module), program.place.partition(":")[2]
    )
    if program.is_command:
        sys.argv = ["menshen", *program.arguments]
        function()
    else:
        function(*program.arguments)
    sys.stdout.flush()
