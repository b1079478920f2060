"""What every test gets: no network, no settings from the environment, property tests without a clock."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import pytest_socket
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.servers import PostgresServer, S3Server

settings.register_profile("callseal", deadline=None, derandomize=True)
settings.load_profile("callseal")


@pytest.fixture(autouse=True)
def _no_network() -> Iterator[None]:
    """A socket to anywhere is an error; a test that serves on this machine asks for ``socket_enabled``."""
    pytest_socket.disable_socket(allow_unix_socket=True)
    yield
    pytest_socket.enable_socket()


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No setting of the machine that runs the tests reaches them."""
    for name in [name for name in os.environ if name.startswith(("CALLSEAL_", "AWS_"))]:
        monkeypatch.delenv(name)


@pytest.fixture(scope="session")
def _plain_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    from tests import servers

    with servers.plain_s3(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture(scope="session")
def _versioned_s3() -> Iterator[S3Server]:
    from tests import servers

    with servers.versioned_s3() as server:
        yield server


@pytest.fixture
def aws(socket_enabled: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The credentials of the tests' servers, where every AWS tool looks for them."""
    from tests import servers

    for name, value in servers.AWS_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def plain_s3(_plain_s3: S3Server, aws: None) -> S3Server:
    """A server whose buckets keep one version."""
    return _plain_s3


@pytest.fixture
def versioned_s3(_versioned_s3: S3Server, aws: None) -> S3Server:
    """A server whose buckets keep every version and can lock."""
    return _versioned_s3


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server."""
    from tests import servers

    with servers.postgres() as server:
        yield server


@pytest.fixture(scope="session")
def _migrated(postgres: PostgresServer) -> str:
    """A database with callseal's tables."""
    from pipeline.connect import connect

    name = postgres.database()
    connect(postgres.url(name)).dispose()
    return name


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database of each kind in turn; one on ``bare postgres`` has no tables yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/records/callseal.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    if request.param == "bare postgres":
        return server.url(server.database())
    name: str = request.getfixturevalue("_migrated")
    server.empty(name)
    return server.url(name)
