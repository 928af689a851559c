"""Reads the label file that lies beside the pictures of a data set."""

from __future__ import annotations

from pathlib import Path

from config.errors import UserError


def label_lines(labels: Path) -> list[str]:
    """The lines of ``labels.jsonl``.

    Raises:
        UserError: the file cannot be read.
    """
    try:
        return labels.read_text(encoding="utf-8").splitlines()
    except OSError as error:
        raise UserError(
            where=str(labels),
            problem="cannot be read",
            remedy="give a folder with pictures and labels.jsonl",
        ) from error
