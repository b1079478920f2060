"""The servers that callseal keeps things in: killed while a worker and the hook use them, or failing in other ways."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from tests import servers
from tests.faults.calls import (
    WITHIN_S,
    begin,
    environment,
    give,
    go_on,
    paused,
    send_until_taken,
    serving,
    token,
    upload,
)
from tests.faults.row import Row, count
from tests.faulty import Fault, proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.faulty import Kind

CALLS: Final = ("CA-pause", "CA-b", "CA-up")
KINDS: Final[tuple[tuple[str, Kind], ...]] = (
    ("answers 500", "refuse"),
    ("slow", "slow"),
    ("half-written", "half"),
    ("answer lost", "lose"),
)
OFTEN: Final = 12  # more than a request is tried, fewer than the calls need


def faults() -> Iterator[Callable[[Path], Row]]:
    """Every fault of a server."""
    yield database_dies
    yield store_dies
    yield from (partial(store_fails, name, kind) for name, kind in KINDS)


def database_dies(top: Path) -> Row:
    """SIGKILL of PostgreSQL while a worker seals a call, and while the hook reads another."""
    with servers.postgres() as server, environment(CALLSEAL_DATABASE__URL=server.url(server.database())):
        told = _through_deaths(top / "data", server.kill, server.start_again)
        return count("PostgreSQL killed", top / "data", 2 + told, CALLS, server.folder)


def store_dies(top: Path) -> Row:
    """SIGKILL of the S3 server while a worker seals a call, and while the hook reads another."""
    with _bucket(top) as server, ExitStack() as again:

        def kill() -> None:
            again.close()
            server.process.kill()
            server.process.wait()

        def start_again() -> None:
            again.enter_context(servers.plain_s3(top / "s3", urlsplit(server.endpoint).netloc))

        told = _through_deaths(top / "data", kill, start_again)
        return count("S3 server killed", top / "data", 2 + told, CALLS, top / "s3")


def _through_deaths(data: Path, kill: Callable[[], None], start_again: Callable[[], None]) -> int:
    """Gives how often the hook told the platform to come later."""
    give(data, "CA-pause", "CA-b")
    bearer = token(data)
    worker = begin(data, "seal")
    paused(data, worker)
    with serving(data) as (url, _):
        kill()
        go_on(data)
        refused = upload(url, bearer, "CA-up")
        start_again()
        assert (refused.status_code, "retry-after" in refused.headers) == (503, True), refused.text
        cut = upload(url, bearer, "CA-up", lambda number: kill() if number == 20 else None)
        start_again()
        assert cut.status_code == 503, cut.text
        told = 2 + send_until_taken(url, bearer, "CA-up")
    assert worker.wait(WITHIN_S) == 0
    return told


def store_fails(name: str, kind: Kind, top: Path) -> Row:
    """A store that fails often, for the hook first and then for a worker; both ask again."""
    with _bucket(top) as server, proxy(server.endpoint) as way, environment(CALLSEAL_STORE__ENDPOINT=way.endpoint):
        data = top / "data"
        bearer = token(data)
        with serving(data) as (url, _):
            way.faults += [Fault(kind, "PUT", times=OFTEN)]
            for call_id in CALLS[1:]:
                send_until_taken(url, bearer, call_id)
        way.faults += [Fault(kind, method, times=OFTEN) for method in ("PUT", "GET", "HEAD", "DELETE")]
        assert begin(data, "none").wait(WITHIN_S) == 0
        way.faults.clear()
        return count(f"store {name}", data, way.failed, CALLS[1:], top / "s3")


@contextmanager
def _bucket(top: Path) -> Iterator[servers.S3Server]:
    """A server on the disk, with a bucket that the settings name."""
    with (
        servers.plain_s3(top / "s3") as server,
        environment(**servers.AWS_ENVIRONMENT),
        environment(
            CALLSEAL_STORE__KIND="s3",
            CALLSEAL_STORE__BUCKET=server.bucket(),
            CALLSEAL_STORE__ENDPOINT=server.endpoint,
            CALLSEAL_STORE__TAGS="false",
        ),
    ):
        yield server
