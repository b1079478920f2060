"""What every test gets: no network, no settings from the environment, property tests without a clock."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
import pytest_socket
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

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
    for name in [name for name in os.environ if name.startswith("CALLSEAL_")]:
        monkeypatch.delenv(name)
