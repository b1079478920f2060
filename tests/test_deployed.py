"""The command on a bucket and a PostgreSQL server: a call is stored there, shown, erased, and nothing is left."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests import scripted
from tests.product import SCRIPTED, Done, needles, run, sightings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.servers import PostgresServer, S3Server

CANARIES = needles(
    scripted.NAME, scripted.CARD, scripted.PHONE, scripted.MAIL, scripted.CALLER, scripted.ORDINARY, "CA-scripted"
)


class Deployment:
    """Settings that name a bucket and a database, and the command under them."""

    def __init__(self, folder: Path, s3: S3Server, postgres: PostgresServer) -> None:
        self.folder, self.s3, self.database = folder, s3, postgres.database()
        self.url = postgres.url(self.database)
        self.bucket = s3.bucket()
        self.config = folder / "deployed.toml"
        self.config.write_text(
            f'[store]\nkind = "s3"\nbucket = "{self.bucket}"\nprefix = "calls/"\nendpoint = "{s3.endpoint}"\n'
            'region = "us-east-1"\nobject_lock = "GOVERNANCE"\n'
        )
        (folder / "call.wav").write_bytes(scripted.recording())
        (folder / "call.json").write_bytes(scripted.metadata())

    def run(self, *arguments: str | Path) -> Done:
        """The command, with the database's URL where a password would be safe too."""
        common = ("--data-dir", self.folder / "data", "--config", self.config, "--json")
        return run(*arguments, *common, program=SCRIPTED, CALLSEAL_DATABASE__URL=self.url)

    def process(self) -> Done:
        """The scripted call."""
        return self.run("process", self.folder / "call.wav", "--metadata", self.folder / "call.json")

    def versions(self) -> list[Mapping[str, Any]]:
        """Every version and marker in the bucket."""
        found = self.s3.store(bucket=self.bucket).client.list_object_versions(Bucket=self.bucket)
        return [*found.get("Versions", ()), *found.get("DeleteMarkers", ())]


@pytest.fixture(name="deployment")
def _deployment(tmp_path: Path, versioned_s3: S3Server, postgres: PostgresServer) -> Deployment:
    return Deployment(tmp_path, versioned_s3, postgres)


def test_a_call_comes_and_goes(deployment: Deployment, postgres: PostgresServer) -> None:
    """Stored, locked and labelled, exported, and then erased with everything it left."""
    stored = deployment.process()
    assert (stored.code, stored.json["status"]) == (0, "stored"), stored.err
    kept = deployment.versions()
    client = deployment.s3.store(bucket=deployment.bucket).client
    assert len(kept) == len(stored.json["artifacts"]) == 4
    for each in kept:
        where = {"Bucket": deployment.bucket, "Key": each["Key"]}
        head = client.head_object(**where)
        tags = {tag["Key"]: tag["Value"] for tag in client.get_object_tagging(**where)["TagSet"]}
        assert f"{head['ObjectLockRetainUntilDate']:%Y-%m-%d}" == tags["retain-until"]
        assert not sightings(CANARIES, client.get_object(**where)["Body"].read(), each["Key"], json.dumps(tags))
    assert not (deployment.folder / "data" / "objects").exists()
    assert not (deployment.folder / "data" / "callseal.db").exists()

    assert deployment.run("export", "CA-scripted", "--to", deployment.folder / "out").code == 0
    assert (deployment.folder / "out" / "transcript.json").is_file()

    erased = deployment.run("delete", "--caller", scripted.CALLER, "--yes")
    assert erased.code == 0, erased.err
    assert deployment.versions() == []
    assert deployment.run("show", "CA-scripted").code == 5
    postgres.execute("CHECKPOINT")
    tables = [path.read_bytes() for path in (postgres.folder / "base").rglob("*") if path.is_file()]
    assert not sightings(needles(scripted.NAME, scripted.CARD, scripted.CALLER, scripted.ORDINARY), *tables)


def test_the_doctor_knows_where_things_are_kept(deployment: Deployment) -> None:
    """Store and database are named and asked; a bucket that is not there, or a server that is not, is a finding."""

    def findings() -> dict[str, tuple[bool, str]]:
        return {each["name"]: (each["ok"], each["detail"]) for each in deployment.run("doctor").json["findings"]}

    found = findings()
    assert found["store"] == (True, f"bucket {deployment.bucket}, answers; every version kept")
    assert found["database"] == (True, "PostgreSQL, answers; the first call makes its tables")
    assert found["bucket rules"] == (False, "keeps leftovers of writers that died")
    assert deployment.run("store", "prepare").json["hidden_days"] == 7
    deployment.config.write_text(deployment.config.read_text().replace(deployment.bucket, "no-such-bucket"))
    deployment.url = "postgresql://callseal:hunter2@127.0.0.1:9/callseal"
    found = findings()
    assert (found["store"][0], found["database"][0]) == (False, False)
    assert "NoSuchBucket" in found["store"][1]
    assert "hunter2" not in json.dumps(found)
