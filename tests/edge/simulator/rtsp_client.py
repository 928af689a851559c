"""A bare RTSP client, to send what no library would."""

from __future__ import annotations

import socket
from types import TracebackType


class Raw:
    """One connection; ``ask`` sends bytes and returns the status and headers of the answer."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=60)
        self._file = self.socket.makefile("rb")
        self._cseq = 0

    def __enter__(self) -> Raw:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, _: BaseException | None, __: TracebackType | None
    ) -> None:
        self._file.close()
        self.socket.close()

    def request(self, method: str, url: str, **headers: str) -> tuple[int, dict[str, str], bytes]:
        """A well-formed request; underscores of header names become dashes."""
        self._cseq += 1
        lines = [f"{method} {url} RTSP/1.0", f"CSeq: {self._cseq}"]
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        return self.ask(("\r\n".join(lines) + "\r\n\r\n").encode())

    def ask(self, data: bytes) -> tuple[int, dict[str, str], bytes]:
        """Status 0 means that the server hung up without an answer."""
        self.socket.sendall(data)
        while (line := self._file.readline()).startswith(b"$"):
            # An interleaved frame: its size is in the four bytes that may hold a line end.
            head = line[:4] + self._file.read(max(0, 4 - len(line)))
            size = int.from_bytes(head[2:4], "big") - max(0, len(line) - 4)
            if size < 0:
                raise AssertionError("lost step")
            self._file.read(size)
        if not line:
            return 0, {}, b""
        status, headers = int(line.split()[1]), {}
        while (line := self._file.readline().strip()) != b"":
            name, _, value = line.decode().partition(":")
            headers[name.lower()] = value.strip()
        return status, headers, self._file.read(int(headers.get("content-length", "0")))

    def frame(self) -> tuple[int, bytes]:
        """The next interleaved frame: channel and packet."""
        head = self._file.read(4)
        return head[1], self._file.read(int.from_bytes(head[2:4], "big"))

    def at_end(self) -> bool:
        """Read until the server hangs up."""
        try:
            while self._file.read(4096):
                pass
        except ConnectionError:
            pass
        return True
