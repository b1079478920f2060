"""A way to a server that fails on request: a proxy that answers 500, cuts requests or answers, loses or delays them."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

Kind = Literal["refuse", "cut", "lose", "hang", "slow", "half"]
SLOW_S = 1.0


@dataclass(slots=True)
class Fault:
    """What goes wrong, how often, and with which requests.

    Args:
        kind: ``refuse`` answers 500 in the server's place; ``lose`` lets the server do it and hangs up without a word;
            ``cut`` hangs up in the middle of its answer; ``hang`` never answers; ``slow`` answers SLOW_S later;
            ``half`` hangs up on both sides when half of what is sent has reached the server.
        method: of the requests.
        query: what the query of their URL holds.
        times: how often; then all is well again.
    """

    kind: Kind
    method: str
    query: str = ""
    times: int = 1_000_000


@dataclass(slots=True)
class Proxy:
    """A proxy that is running."""

    endpoint: str
    faults: list[Fault] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    failed: int = 0
    ended: threading.Event = field(default_factory=threading.Event)

    def fault_for(self, method: str, target: str) -> Kind | None:
        """What is to go wrong with this request."""
        self.seen.append(f"{method} {target}")
        for fault in self.faults:
            if fault.times and fault.method == method and fault.query in urlsplit(target).query:
                fault.times -= 1
                self.failed += 1
                return fault.kind
        return None


@contextmanager
def proxy(upstream: str) -> Iterator[Proxy]:
    """A proxy before ``upstream``, on a port of its own."""
    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    running = Proxy(f"http://127.0.0.1:{server.server_port}")
    _Handler.running[server.server_port] = (running, urlsplit(upstream).netloc)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield running
    finally:
        running.ended.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Server(ThreadingHTTPServer):
    def handle_error(self, *_: object) -> None:
        """Says nothing: who hangs up on a proxy, or dies before it, is what it is for."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    running: dict[int, tuple[Proxy, str]] = {}  # noqa: RUF012 -- by port, for the library makes the handlers

    def _pass(self) -> None:
        running, upstream = self.running[self.server.server_address[1]]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = running.fault_for(self.command, self.path)
        if fault in {"hang", "slow"}:
            running.ended.wait(SLOW_S if fault == "slow" else None)
        if fault == "half":
            self._send_half(upstream, body)
        if fault == "refuse":
            self.send_error(500)
        if fault in {"hang", "refuse", "half"}:
            self.close_connection = True
            return
        connection = http.client.HTTPConnection(upstream)
        connection.request(self.command, self.path, body, dict(self.headers))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if fault == "lose":
            self.close_connection = True
            return
        self._answer(answer, content, cut=fault == "cut")

    def _send_half(self, upstream: str, body: bytes) -> None:
        connection = http.client.HTTPConnection(upstream)
        connection.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
        for name, value in self.headers.items():
            connection.putheader(name, value)
        with suppress(OSError):
            connection.endheaders(body[: len(body) // 2])
        connection.close()

    def _answer(self, answer: http.client.HTTPResponse, content: bytes, *, cut: bool) -> None:
        self.send_response(answer.status)
        length = answer.headers.get("Content-Length") if self.command == "HEAD" else str(len(content))
        for name, value in answer.headers.items():
            if name.lower() not in {"content-length", "transfer-encoding", "connection", "server", "date"}:
                self.send_header(name, value)
        self.send_header("Content-Length", length or "0")
        self.end_headers()
        self.wfile.write(content[: len(content) // 2] if cut else content)
        self.close_connection = cut

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = _pass  # noqa: N815 -- the library's names

    def log_message(self, *_arguments: object) -> None:
        """Says nothing."""
