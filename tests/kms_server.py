"""A real KMS service on this machine (moto), for tests that ask for ``kms_key`` or ``kms_keys``."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import boto3
import pytest
import pytest_socket
from moto.server import ThreadedMotoServer

from tests.servers import KEY_ID, SECRET

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session")
def kms_url() -> Iterator[str]:
    """Where the service listens."""
    pytest_socket.enable_socket()
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture(scope="session")
def kms_client(kms_url: str) -> Any:
    """AWS's own client of the service."""
    session = boto3.session.Session(KEY_ID, SECRET)
    return session.client("kms", region_name="eu-central-1", endpoint_url=kms_url)


@pytest.fixture
def new_kms_key(kms_url: str, kms_client: Any, aws: None, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """Makes symmetric keys, gives their ARNs; AWS's own settings point at the service."""
    monkeypatch.setenv("AWS_ENDPOINT_URL_KMS", kms_url)
    return lambda: str(kms_client.create_key()["KeyMetadata"]["Arn"])


@pytest.fixture
def kms_key(new_kms_key: Callable[[], str]) -> str:
    """The ARN of a symmetric key."""
    return new_kms_key()
