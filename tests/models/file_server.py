"""A web server for one file that can break off, lie, or ignore the Range header."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


@dataclass
class FileServer:
    """Serves ``content``; each request uses up one of ``breaks`` (bytes sent before it ends)."""

    content: bytes
    breaks: list[int] = field(default_factory=list)
    ranges: bool = True
    status: int = 0
    asked: list[str] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def address(self) -> str:
        """Where the file is."""
        return f"http://127.0.0.1:{self._server.server_port}/model.onnx"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                wanted = self.headers.get("Range", "")
                owner.asked.append(wanted)
                if owner.status:
                    self.send_error(owner.status)
                    return
                start = int(wanted[6:-1]) if wanted and owner.ranges else 0
                if start >= len(owner.content):
                    self.send_error(416)
                    return
                body = owner.content[start:]
                self.send_response(206 if start else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[: owner.breaks.pop(0)] if owner.breaks else body)

            def log_message(self, *_: object) -> None:
                """Say nothing."""

        return Handler
