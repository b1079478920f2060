"""A platform and a hook on this machine: a server of recordings, and ``callseal serve`` as it runs, on real sockets."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import uvicorn

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI


@dataclass
class Platform:
    """What a telephone platform serves: recordings by path; a path may answer with statuses first.

    ``copies`` are the resources that it still holds, and deletes when it is told to.
    """

    url: str = ""
    recordings: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, list[tuple[int, str]]] = field(default_factory=dict)
    copies: set[str] = field(default_factory=set)
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@contextmanager
def platform() -> Iterator[Platform]:
    """A platform that serves until the block ends."""
    here = Platform()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            here.asked.append((self.path, self.headers.get("authorization")))
            waiting = here.answers.get(self.path, [])
            status, location = waiting.pop(0) if waiting else (200 if self.path in here.recordings else 404, "")
            body = here.recordings.get(self.path, b"") if status == 200 else b""
            self.send_response(status)
            if location:
                self.send_header("location", location)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_DELETE(self) -> None:
            here.asked.append((self.path, self.headers.get("authorization")))
            waiting = here.answers.get(self.path, [])
            status = waiting.pop(0)[0] if waiting else (204 if self.path in here.copies else 404)
            if status == 204:
                here.copies.remove(self.path)
            self.send_response(status)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 -- the library's signature
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    here.url = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield here
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """The URL of the application behind uvicorn, until the block ends."""
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            host="127.0.0.1",
            port=0,
            log_level="critical",
            access_log=False,
            ws="websockets-sansio",
            ws_ping_interval=None,
        )
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            thread.join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
