"""Joining the rooms: a data folder opens under its own key file and no other."""

from __future__ import annotations

import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import pytest

from pipeline.build import build, custody, once, open_store
from pipeline.config import load_settings, shipped_configs
from pipeline.errors import CannotOpen, UsageError
from pipeline.roles import Role
from pipeline.store.local import LocalStore
from pipeline.store.s3 import S3Store
from pipeline.store.s3_client import S3Options

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.config import Settings
    from tests.servers import S3Server

NOW = datetime(2026, 11, 24, tzinfo=UTC)


@pytest.fixture
def used(tmp_path: Path) -> Settings:
    """Settings of a data folder that knows a caller."""
    settings = load_settings(tmp_path / "data")
    held = custody(settings, Role.PRIVACY_OFFICER)
    held.records.subject_for(held.root.subject_id("+12025550143"), held.root, NOW)
    held.records.close()
    return settings


def test_the_same_key_file_opens_it_again(used: Settings) -> None:
    """A data folder opens as often as one likes with the key it was made with."""
    assert custody(used, Role.PRIVACY_OFFICER).records.root_key_ids() == {
        custody(used, Role.PRIVACY_OFFICER).root.key_id
    }


def test_another_key_file_is_refused(used: Settings, tmp_path: Path) -> None:
    """Under another key every caller has another name, so an erasure must not say that nothing is held."""
    other = load_settings(tmp_path / "other")
    custody(other, Role.PRIVACY_OFFICER)
    used.key_file.write_bytes(other.key_file.read_bytes())
    with pytest.raises(CannotOpen, match="another key file"):
        custody(used, Role.PRIVACY_OFFICER)


def test_a_lost_key_file_is_not_replaced(used: Settings) -> None:
    """A key file that is gone is asked back, never made anew beside callers' keys that it cannot open."""
    used.key_file.unlink()
    with pytest.raises(CannotOpen, match="put it back"):
        custody(used, Role.PRIVACY_OFFICER)
    assert not used.key_file.exists()


def test_settings_choose_the_store(tmp_path: Path, plain_s3: S3Server) -> None:
    """A folder unless the settings name a bucket, which then gets every option."""
    file = tmp_path / "mine.toml"
    bucket = plain_s3.bucket()
    file.write_text(
        f'[store]\nkind = "s3"\nbucket = "{bucket}"\nprefix = "calls/"\nendpoint = "{plain_s3.endpoint}"\n'
        'region = "eu-central-1"\nsse = "aws:kms"\nkms_key = "alias/calls"\ntags = false\nobject_lock = "COMPLIANCE"\n'
    )
    assert open_store(load_settings(tmp_path)) == LocalStore(tmp_path / "objects")
    store = open_store(load_settings(tmp_path, file))
    assert isinstance(store, S3Store)
    assert store.options == S3Options(
        bucket=bucket,
        prefix="calls/",
        endpoint=plain_s3.endpoint,
        region="eu-central-1",
        sse="aws:kms",
        kms_key="alias/calls",
        tags=False,
        object_lock="COMPLIANCE",
    )
    assert list(store.list()) == []


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("retention.toml", 'version = "2026-11c"', 'version = "202-555-0143"'),
        ("consent.toml", "5703 and 5704", "5703-5704"),
    ],
)
def test_what_cannot_be_recorded_is_refused_at_the_start(tmp_path: Path, file: str, old: str, new: str) -> None:
    """A policy whose words the records would refuse stops the program, not the first call that it applies to."""
    settings = load_settings(tmp_path / "data")
    folder = tmp_path / "configs"
    shutil.copytree(shipped_configs(), folder)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    with pytest.raises(UsageError, match=file):
        build(settings.model_copy(update={"policies": settings.policies.model_copy(update={"folder": str(folder)})}))


def test_a_model_is_loaded_once_by_calls_that_are_processed_at_once(tmp_path: Path) -> None:
    """Several threads that ask for a model at the same time wait for one of them to load it, and share it."""
    loads: list[int] = []
    together = threading.Barrier(4)

    def load() -> object:
        loads.append(1)
        threading.Event().wait(0.05)  # long enough for the others to ask
        return object()

    loaded = once(load)

    def ask(_: int) -> object:
        together.wait()
        return loaded()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(4)))
    assert len(loads) == 1
    assert len(set(map(id, found))) == 1
