"""pg8000 with one round trip per statement: prepared once, begun with the first, parsed quickly."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from struct import Struct
from typing import Any

from pg8000.converters import array_out, make_params, timestamptz_in
from pg8000.core import Context
from pg8000.dbapi import convert_paramstyle
from pg8000.exceptions import DatabaseError, InterfaceError
from pg8000.legacy import Connection, Cursor, IntegrityError, ProgrammingError
from sqlalchemy import event
from sqlalchemy.engine import Engine

KEPT = 100
"""Statements that one connection keeps prepared; each is some 20 kB at the server."""
TIMESTAMPTZ = 1184
"""Type of ``timestamp with time zone`` (pg_type.oid)."""
FORGOTTEN = frozenset({"0A000", "26000"})
"""The server knows a prepared statement no more, or its table has other columns now
(``cached plan must not change result type``): PostgreSQL manual, appendix A."""

_INT, _SHORT, _HEAD = Struct("!i"), Struct("!H"), Struct("!ci")
_READY = b"Z"


def speak_quickly(engine: Engine) -> None:
    """Make every new connection of a pg8000 engine a :class:`QuickConnection`."""

    @event.listens_for(engine, "do_connect")
    def _connect(
        _dialect: Any, _record: Any, args: Sequence[Any], named: Mapping[str, Any]
    ) -> QuickConnection:
        return QuickConnection(*args, **named)


class QuickConnection(Connection):  # type: ignore[misc]
    """A connection of pg8000 that asks the server once where pg8000 asks three times.

    pg8000 waits for an answer after parsing, after describing and after running each statement,
    and for one more when it begins a transaction. Here all of that is one message (PostgreSQL
    manual, 55.2.4 Pipelining), and from its second use on a statement is prepared: it is neither
    sent, parsed nor described again. Results and errors are those of pg8000.
    """

    def __init__(self, *args: Any, **named: Any) -> None:
        # A statement's name at the server, its columns and their readers; used last at the end.
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._to_close: list[bytes] = []
        self._names = 0
        super().__init__(*args, **named)
        self.register_in_adapter(TIMESTAMPTZ, read_moment)
        self.register_out_adapter(list, array_of)

    def cursor(self) -> QuickCursor:
        """A cursor of this connection."""
        return QuickCursor(self)

    def commit(self) -> None:
        """Commit the transaction; none is fine."""
        if self._in_transaction:
            self.execute_simple("commit")

    def rollback(self) -> None:
        """Roll back the transaction; none is fine."""
        if self._in_transaction:
            self.execute_simple("rollback")

    def run_once(self, operation: str, values: Sequence[Any]) -> Any:
        """Run a statement with parameters; returns pg8000's context of its result.

        Raises:
            DatabaseError: the server refuses it.
            InterfaceError: the connection is gone.
        """
        statement = _numbered(operation)
        known = self._kept.setdefault(statement, _Kept())
        self._kept.move_to_end(statement)
        is_known = known.columns is not UNKNOWN
        if not is_known and known.is_seen:
            self._names += 1
            known.name = b"menshen_%d\x00" % self._names
        columns, readers = (known.columns, known.readers) if is_known else (None, None)
        context = Context(statement, columns=columns, input_funcs=readers)
        self._send(self._messages(statement, known, make_params(self.py_types, values)))
        try:
            self.handle_messages(context)
        except DatabaseError as error:
            self._heed(error, known, is_known=is_known)
            raise
        if known.name != b"\x00" and not is_known:
            known.columns, known.readers = context.columns, context.input_funcs
        known.is_seen = True
        self._make_room()
        return context

    def handle_messages(self, context: Any) -> None:
        """Read what the server answers, up to its being ready again."""
        if self._sock is None:
            raise InterfaceError("connection is closed")
        read, handlers, code = self._sock.read, self.message_types, None
        try:
            while code != _READY:
                head = read(5)
                if len(head) < 5:
                    raise InterfaceError("network error")
                code, length = _HEAD.unpack(head)
                body = read(length - 4)
                # A server that dies sends what it had got to: never read half a message.
                if len(body) < length - 4:
                    raise InterfaceError("network error")
                handlers[code](body, context)
        except OSError as error:
            raise InterfaceError("network error") from error
        if context.error is not None:
            raise context.error

    def _messages(self, statement: str, known: _Kept, values: Sequence[str | None]) -> bytes:
        parts = [_message(b"C", b"S" + name) for name in self._to_close]
        self._to_close.clear()
        if not self._in_transaction and not self.autocommit:
            # Before the next Sync: were it refused, the statement would not be run.
            parts.append(_BEGIN)
        if known.columns is UNKNOWN:
            text = statement.encode(self._client_encoding)
            parts.append(_message(b"P", known.name + text + b"\x00\x00\x00"))
            parts.append(_message(b"D", b"S" + known.name))
        parts += (_bind(known.name, values, self._client_encoding), _EXECUTE, _SYNC)
        return b"".join(parts)

    def _send(self, data: bytes) -> None:
        if self._sock is None:
            raise InterfaceError("connection is closed")
        try:
            self._sock.write(data)
            self._sock.flush()
        except (OSError, ValueError) as error:
            raise InterfaceError("network error") from error

    def _heed(self, error: Any, known: _Kept, *, is_known: bool) -> None:
        """A name is used for one statement only; after some errors nothing prepared is used."""
        if known.name != b"\x00" and not is_known:
            self._to_close.append(known.name)
            known.name = b"\x00"
        answer = error.args[0]
        if isinstance(answer, dict) and answer.get("C") in FORGOTTEN:
            self._to_close += [kept.name for kept in self._kept.values() if kept.name != b"\x00"]
            self._kept.clear()

    def _make_room(self) -> None:
        while len(self._kept) > KEPT:
            _, oldest = self._kept.popitem(last=False)
            if oldest.name != b"\x00":
                self._to_close.append(oldest.name)


class QuickCursor(Cursor):  # type: ignore[misc]
    """A cursor that runs what has parameters in one round trip."""

    def execute(self, operation: str, args: Any = (), stream: Any = None) -> QuickCursor:
        """As pg8000 does."""
        if self._c is None or not args or stream is not None or self._input_oids:
            super().execute(operation, args, stream)
            return self
        try:
            self._context = self._c.run_once(operation, args)
        except DatabaseError as error:
            raise _as_pg8000_says(error) from error
        self._row_iter = iter(self._context.rows or ())
        return self


class _Kept:
    """What is known of a statement on one connection; ``name`` is empty until its second use."""

    __slots__ = ("columns", "is_seen", "name", "readers")

    def __init__(self) -> None:
        self.name = b"\x00"
        self.is_seen = False
        self.columns: Any = UNKNOWN
        self.readers: Any = None


UNKNOWN: Any = object()
"""Columns of a statement that is not prepared yet; None are those of one that has no result."""


def read_moment(text: str) -> Any:
    """A ``timestamp with time zone`` as PostgreSQL writes it (ISO, in the session's zone)."""
    try:
        return datetime.fromisoformat(text)
    except ValueError:  # infinity, or a year beyond Python's
        return timestamptz_in(text)


def array_of(values: list[Any]) -> str:
    """A list as PostgreSQL reads an array (manual, 8.15.2)."""
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    if isinstance(value, str):
        return '"' + value.replace("\\", "\\\\").replace('"', '\\"') + '"'
    if isinstance(value, list):
        return array_of(value)
    return str(array_out(value))


@lru_cache(maxsize=1000)
def _numbered(operation: str) -> str:
    """``%s`` as ``$1``: pg8000 reads the statement letter by letter, so once is enough."""
    statement: str = convert_paramstyle("format", operation, ())[0]
    return statement


def _as_pg8000_says(error: Any) -> Exception:
    answer = error.args[0]
    code = answer.get("C") if isinstance(answer, dict) else None
    if code == "28000":
        return InterfaceError(answer)  # type: ignore[no-any-return]
    return (IntegrityError if code == "23505" else ProgrammingError)(answer)  # type: ignore[no-any-return]


def _message(code: bytes, body: bytes) -> bytes:
    return code + _INT.pack(len(body) + 4) + body


def _bind(name: bytes, values: Sequence[str | None], encoding: str) -> bytes:
    parts = [b"\x00", name, b"\x00\x00", _SHORT.pack(len(values))]
    for value in values:
        if value is None:
            parts.append(b"\xff\xff\xff\xff")
        else:
            data = value.encode(encoding)
            parts += (_INT.pack(len(data)), data)
    parts.append(b"\x00\x00")
    return _message(b"B", b"".join(parts))


_EXECUTE = _message(b"E", b"\x00\x00\x00\x00\x00")
_SYNC = _message(b"S", b"")
_BEGIN = (
    _message(b"P", b"\x00begin transaction\x00\x00\x00") + _bind(b"\x00", (), "ascii") + _EXECUTE
)
