"""Structured logs in which a password, a key, a phone number or a face never appears."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any, Literal

import structlog

_URL_CREDENTIALS = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://)(?:[^\s/]*|[^\s/:]*:\S{0,200})@", re.IGNORECASE
)
"""To the last ``@``: a person may type a password as it is, with ``@`` and ``/`` in it. A path
after a port that has an ``@`` in it is hidden too."""
_PHONE = re.compile(r"(?<![\dA-Za-z-])(1[3-9]\d)\d{4}(\d{4})(?![\dA-Za-z-])")
_SECRET_KEYS = re.compile(
    r"(password|passwd|secret|token|authorization|cookie|credential|api_?key|private_?key"
    r"|embedding|totp)",
    re.IGNORECASE,
)
HIDDEN = "***"


def redact_text(text: str) -> str:
    """``text`` with URL credentials and mainland mobile numbers blanked."""
    without_credentials = _URL_CREDENTIALS.sub(rf"\g<scheme>{HIDDEN}@", text)
    return _PHONE.sub(r"\1****\2", without_credentials)


def _redact(value: Any, key: str = "") -> Any:
    if key and _SECRET_KEYS.search(key):
        return HIDDEN
    if isinstance(value, str):
        return redact_text(value)
    if isinstance(value, dict):
        return {name: _redact(item, str(name)) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_redact(item) for item in value]
    return value


def redact_event(
    _logger: Any, _method: str, event: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """structlog processor that blanks secrets in every key and value of a log line."""
    return {key: _redact(value, key) for key, value in event.items()}


class _StandardError(logging.Handler):
    """Writes to whatever standard error is now, also after somebody has replaced it."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            sys.stderr.write(self.format(record) + "\n")
        except (OSError, ValueError):
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 (logging's name)
        """A closed standard error is no reason to stop watching cameras."""


def configure_logs(*, style: Literal["console", "json"] = "console", level: str = "info") -> None:
    """Send all logs, ours and the libraries', to standard error, redacted.

    Args:
        style: ``console`` for a person, ``json`` for a collector.
        level: ``debug``, ``info``, ``warning`` or ``error``.
    """
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=False),
        structlog.processors.format_exc_info,
        redact_event,
    ]
    renderer: structlog.types.Processor = (
        structlog.processors.JSONRenderer(ensure_ascii=False)
        if style == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = _StandardError()
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """A logger for the module ``name`` (pass ``__name__``)."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
