"""A bucket: versions and marks are seen and removed, locks respected, and a bad line loses and invents nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tracemalloc
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, BinaryIO

import boto3
import pytest

from pipeline.errors import Locked, NotFound, StoreUnavailable
from pipeline.store import Label, new_key, s3_bucket
from pipeline.store.s3 import RULE_TAG, UNTIL_TAG, S3Store
from pipeline.store.s3_client import S3Options, client
from pipeline.store.s3_upload import PART_BYTES
from tests.faulty import Fault, Proxy, proxy
from tests.servers import SECRET, S3Server, plain_s3
from tests.store_suite import keys, put

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

LARGE = PART_BYTES + 1
FAR = datetime.now(UTC) + timedelta(days=400)


def _name(store: S3Store, key: str) -> dict[str, str]:
    return {"Bucket": store.options.bucket, "Key": store.options.prefix + key}


def _uploads(store: S3Store) -> list[str]:
    found = store.client.list_multipart_uploads(Bucket=store.options.bucket)
    return [upload["Key"] for upload in found.get("Uploads", ())]


# Versions


def test_every_version_and_mark_is_listed_and_removed(versioned_s3: S3Server) -> None:
    """What others wrote over an object or hid it with is listed, and goes with it; "not found" alone proves nothing."""
    store = versioned_s3.store(prefix="calls/")
    key, other = put(store, b"ours"), put(store, b"another")
    store.client.put_object(**_name(store, key), Body=b"written over it")
    store.client.delete_object(**_name(store, key))
    assert store.stat(key) is None
    with pytest.raises(NotFound):
        store.open(key)
    assert sorted(found.size_bytes for found in store.list(key)) == [0, 4, 15]
    store.delete(key)
    assert list(store.list(key)) == []
    left = store.client.list_object_versions(Bucket=store.options.bucket)
    assert [found["Key"] for found in left["Versions"]] == [f"calls/{other}"]
    assert "DeleteMarkers" not in left


def test_reader_stays_with_its_version(versioned_s3: S3Server) -> None:
    """A reader that has to begin again gives the rest of the object it began with, whatever was written over it."""
    store = versioned_s3.store()
    key = put(store, b"a" * (3 << 20))
    with proxy(versioned_s3.endpoint) as line:
        line.faults = [Fault("cut", "GET", times=1)]
        through = versioned_s3.store(bucket=store.options.bucket, endpoint=line.endpoint)
        with through.open(key) as raw:
            store.client.put_object(**_name(store, key), Body=b"b" * (3 << 20))
            assert raw.read() == b"a" * (3 << 20)


def test_more_versions_than_a_page_holds(versioned_s3: S3Server) -> None:
    """Listing goes on where a page of the service ends."""
    store = versioned_s3.store()
    names = {f"{number:032x}" for number in range(7)}
    for name in names:
        put(store, b"x", name)
    listed = store.client.list_object_versions

    def by_two(**arguments: Any) -> Any:
        return listed(**arguments | {"MaxKeys": 2})

    store.client.list_object_versions = by_two
    assert keys(store) == names


def test_objects_of_others_are_let_be(plain_s3: S3Server, versioned_s3: S3Server) -> None:
    """In a bucket that serves others too, their objects and uploads are neither shown nor removed."""
    for server in (plain_s3, versioned_s3):
        store = server.store(prefix="calls/")
        bucket = store.options.bucket
        theirs = {"Bucket": bucket, "Key": "calls/readme.txt"}
        store.client.put_object(**theirs, Body=b"x")
        store.client.create_multipart_upload(Bucket=bucket, Key="calls/draft.txt")
        store.client.create_multipart_upload(Bucket=bucket, Key=new_key())
        assert keys(store) == set()
        assert store.remove_partial(FAR) == 0
        assert len(_uploads(store)) == 2
        assert store.client.get_object(**theirs)["Body"].read() == b"x"


# Labels and locks


def test_label_becomes_tags(versioned_s3: S3Server) -> None:
    """Rule and date are on the object, small or large; nothing else is, and nothing at all when tags are off."""
    store = versioned_s3.store()
    label = Label("2026-11 recording: company policy (a, b)", FAR)
    for size_bytes in (1, LARGE):
        key = new_key()
        with store.put(key, label) as raw:
            raw.write(b"x" * size_bytes)
        tags = {tag["Key"]: tag["Value"] for tag in store.client.get_object_tagging(**_name(store, key))["TagSet"]}
        assert tags == {RULE_TAG: "2026-11 recording: company policy  a  b ", UNTIL_TAG: f"{FAR:%Y-%m-%d}"}
    silent = versioned_s3.store(tags=False)
    with silent.put(key, label) as raw:
        raw.write(b"x")
    assert silent.client.get_object_tagging(**_name(silent, key))["TagSet"] == []


def test_encryption_by_the_service_is_asked_for(versioned_s3: S3Server) -> None:
    """Small and large objects are encrypted as the settings say, beneath our own seal."""
    store = versioned_s3.store(sse="AES256")
    for size_bytes in (1, LARGE):
        key = put(store, b"x" * size_bytes)
        assert store.client.head_object(**_name(store, key))["ServerSideEncryption"] == "AES256"


def test_compliance_lock_holds(versioned_s3: S3Server) -> None:
    """A locked object stays until its date, the error says until when, and it can be read all the while."""
    store = versioned_s3.store(object_lock="COMPLIANCE")
    key = put(store, b"x")
    store.lock(key, FAR)
    with pytest.raises(Locked) as caught:
        store.delete(key)
    assert caught.value.until is not None
    assert abs(caught.value.until - FAR) < timedelta(seconds=1)
    assert (caught.value.key, caught.value.exit_code) == (key, 4)
    with store.open(key) as raw:
        assert raw.read() == b"x"


def test_governance_lock_stops_others_and_not_us(versioned_s3: S3Server) -> None:
    """Whoever only removes versions fails; who decides on retention does not."""
    store = versioned_s3.store(object_lock="GOVERNANCE")
    key = put(store, b"x")
    store.lock(key, FAR)
    with pytest.raises(Locked):
        versioned_s3.store(bucket=store.options.bucket).delete(key)
    store.delete(key)
    assert list(store.list()) == []
    with pytest.raises(NotFound):
        store.lock(key, FAR)


def test_legal_hold_of_the_bucket_is_respected(versioned_s3: S3Server) -> None:
    """An object that somebody put a legal hold on stays until it is lifted."""
    store = versioned_s3.store(object_lock="GOVERNANCE")
    key = put(store, b"x")
    store.client.put_object_legal_hold(**_name(store, key), LegalHold={"Status": "ON"})
    with pytest.raises(Locked, match="legal hold"):
        store.delete(key)
    store.client.put_object_legal_hold(**_name(store, key), LegalHold={"Status": "OFF"})
    store.delete(key)
    assert list(store.list()) == []


# Uploads


def test_memory_is_that_of_a_part(plain_s3: S3Server) -> None:
    """An object of many parts passes through in the memory of a few, in both directions."""
    store = plain_s3.store()
    key, chunk = new_key(), os.urandom(1 << 20)
    put(store, b"warm")
    tracemalloc.start()
    try:
        with store.put(key) as raw:
            for _ in range(48):
                raw.write(chunk)
        with store.open(key) as raw:
            assert all(raw.read(1 << 20) == chunk for _ in range(48))
        assert tracemalloc.get_traced_memory()[1] < 4 * PART_BYTES
    finally:
        tracemalloc.stop()


def _killed_in_mid_upload(store: S3Store) -> str:
    """The name of an object whose writer was killed after it had sent a part."""
    key = new_key()
    pid = os.fork()
    if pid == 0:
        with client_of_its_own(store).put(key) as raw:
            raw.write(b"x" * LARGE)
            os.kill(os.getpid(), signal.SIGKILL)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == -signal.SIGKILL
    return key


def client_of_its_own(store: S3Store) -> S3Store:
    """The same bucket, for a child process: connections are not shared."""
    return S3Store(store.options, client(store.options, attempts=1))


def test_leftovers_of_a_killed_writer(plain_s3: S3Server) -> None:
    """What a killed writer sent is no object; it goes when it is old enough, a writer at work is left alone."""
    store = plain_s3.store(prefix="calls/")
    key = _killed_in_mid_upload(store)
    assert _uploads(store) == [f"calls/{key}"]
    assert keys(store) == set()
    assert store.remove_partial(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert store.remove_partial(datetime.now(UTC) + timedelta(seconds=60)) == 1
    assert _uploads(store) == []


def test_delete_takes_unfinished_uploads_along(versioned_s3: S3Server) -> None:
    """Removing an object removes what a killed writer of it has sent, too."""
    store = versioned_s3.store()
    key = _killed_in_mid_upload(store)
    assert _uploads(store) == [key]
    store.delete(key)
    assert _uploads(store) == []


def test_server_that_dies_in_mid_upload(tmp_path: Path, aws: None) -> None:
    """The writer fails with an error that says to try again; when the server is back there is no object."""
    key = new_key()
    with plain_s3(tmp_path / "s3") as server:
        store = server.store()
        with pytest.raises(StoreUnavailable), store.put(key) as raw:
            _write_and_kill(raw, server)
        for method in (store.stat, store.open, store.delete, keys_of(store)):
            with pytest.raises(StoreUnavailable):
                method(key)
    with plain_s3(tmp_path / "s3", server.endpoint.removeprefix("http://")):
        assert keys(store) == set()
        assert put(store, b"whole", key) == key


def _write_and_kill(raw: BinaryIO, server: S3Server) -> None:
    raw.write(b"x" * LARGE)
    server.process.kill()
    server.process.wait()
    raw.write(b"x" * LARGE)


def keys_of(store: S3Store) -> Any:
    """Listing as a method of one name."""
    return lambda key: keys(store, key)


# A bad line


@pytest.fixture(name="line")
def _line(versioned_s3: S3Server) -> Iterator[Proxy]:
    with proxy(versioned_s3.endpoint) as running:
        yield running


WRITES = [("PUT", "", 1), ("POST", "uploads", LARGE), ("PUT", "partNumber", LARGE), ("POST", "uploadId", LARGE)]


@pytest.mark.parametrize(("method", "query", "size_bytes"), WRITES)
def test_failure_that_passes(versioned_s3: S3Server, line: Proxy, method: str, query: str, size_bytes: int) -> None:
    """Each request of a write may fail once, before or after the service has done it: the object is there once."""
    store = versioned_s3.store(endpoint=line.endpoint)
    line.faults = [Fault("refuse", method, query, times=1)]
    refused = put(store, b"x" * size_bytes)
    line.faults = [Fault("lose", method, query, times=1)]
    lost = put(store, b"x" * size_bytes)
    line.faults = []
    assert sorted(found.key for found in store.list()) == sorted([refused, lost])
    for key in (refused, lost):
        with store.open(key) as raw:
            assert raw.read() == b"x" * size_bytes


@pytest.mark.parametrize("kind", ["refuse", "lose"])
@pytest.mark.parametrize(("method", "query", "size_bytes"), WRITES)
def test_failure_that_lasts(
    versioned_s3: S3Server, line: Proxy, method: str, query: str, size_bytes: int, kind: Any
) -> None:
    """After a few attempts the error says to try again, and no object is left that nobody knows of."""
    store = versioned_s3.store(endpoint=line.endpoint)
    key = new_key()
    line.faults = [Fault(kind, method, query)]
    if kind == "lose" and query in {"", "uploadId"}:
        assert put(store, b"x" * size_bytes, key) == key  # it was done, and is found to be ours
    else:
        with pytest.raises(StoreUnavailable), store.put(key) as raw:
            raw.write(b"x" * size_bytes)
    sent = [seen for seen in line.seen if seen.startswith(method) and query in seen.partition("?")[2]]
    assert len(sent) <= 4
    line.faults = []
    assert keys(store) == ({key} if kind == "lose" and query in {"", "uploadId"} else set())


def test_anothers_object_is_not_taken_for_ours(versioned_s3: S3Server, line: Proxy) -> None:
    """When the answer is lost and the name is another's, the write failed, and the other's object stays."""
    store = versioned_s3.store(endpoint=line.endpoint)
    key = put(store, b"theirs")
    line.faults = [Fault("refuse", "HEAD", times=4)]
    with pytest.raises(StoreUnavailable), store.put(key) as raw:
        raw.write(b"ours")
    with store.open(key) as raw:
        assert raw.read() == b"theirs"


def test_answer_that_breaks_off_is_taken_up_again(versioned_s3: S3Server, line: Proxy) -> None:
    """A reader goes on where the line broke, and gives up where it breaks at once every time."""
    store = versioned_s3.store(endpoint=line.endpoint)
    content = os.urandom(3 << 20)
    key = put(store, content)
    line.faults = [Fault("cut", "GET", times=3)]
    with store.open(key) as raw:
        assert raw.read() == content
    line.faults = [Fault("cut", "GET", times=1), Fault("lose", "GET")]
    with store.open(key) as raw, pytest.raises(StoreUnavailable):
        raw.read()


def test_service_that_does_not_answer(versioned_s3: S3Server, line: Proxy) -> None:
    """Waiting has an end, whatever is asked."""
    store = versioned_s3.store(endpoint=line.endpoint, attempts=1, read_timeout_s=0.2)
    key = put(store, b"x")
    line.faults = [Fault("hang", method) for method in ("GET", "PUT", "HEAD", "DELETE")]
    for method in (store.open, store.stat, store.delete, keys_of(store), lambda name: put(store, b"x", name)):
        with pytest.raises(StoreUnavailable):
            method(key)


# The bucket itself


def test_bucket_tidies_up_by_our_rule_and_keeps_others(versioned_s3: S3Server) -> None:
    """Preparing adds one rule for unfinished uploads and hidden versions; rules of others, and of age, are not ours."""
    store = versioned_s3.store(prefix="calls/")
    theirs = {"ID": "logs", "Status": "Enabled", "Filter": {"Prefix": "logs/"}, "Expiration": {"Days": 9}}
    bucket = {"Bucket": store.options.bucket}
    store.client.put_bucket_lifecycle_configuration(**bucket, LifecycleConfiguration={"Rules": [theirs]})
    assert s3_bucket.look(store) == s3_bucket.Bucket(versioned=True, locks=True, tidies=False)
    for days in (2, 1):
        s3_bucket.prepare(store, days, 7)
    rules = store.client.get_bucket_lifecycle_configuration(**bucket)["Rules"]
    ours = next(rule for rule in rules if rule["ID"] == s3_bucket.RULE_ID)
    assert sorted(rule["ID"] for rule in rules) == sorted(["logs", s3_bucket.RULE_ID])
    assert ours["Filter"] == {"Prefix": "calls/"}
    assert ours["AbortIncompleteMultipartUpload"] == {"DaysAfterInitiation": 1}
    assert ours["NoncurrentVersionExpiration"] == {"NoncurrentDays": 7}
    assert ours["Expiration"] == {"ExpiredObjectDeleteMarker": True}
    assert s3_bucket.look(store).tidies


def test_bucket_that_does_little(plain_s3: S3Server) -> None:
    """A service without versions, locks and rules is looked at without an error, and refuses to be prepared."""
    store = plain_s3.store()
    assert s3_bucket.look(store) == s3_bucket.Bucket(versioned=False, locks=False, tidies=False)
    with pytest.raises(StoreUnavailable):
        s3_bucket.prepare(store, 1, 7)


# Settings that are wrong


def test_bucket_that_is_not_there(versioned_s3: S3Server) -> None:
    """A missing bucket is no empty store: nothing is "not found" in it."""
    store = versioned_s3.store(bucket="no-such-bucket")
    for method in (store.open, store.stat, store.delete, keys_of(store), lambda name: put(store, b"x", name)):
        with pytest.raises(StoreUnavailable):
            method(new_key())
    with pytest.raises(StoreUnavailable):
        store.remove_partial(FAR)


def test_wrong_credentials(plain_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Credentials that the service does not know cost one error that shows none of them."""
    bucket = plain_s3.bucket()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIANOBODYNOBODYNOBO")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    store = plain_s3.store(bucket=bucket)
    with pytest.raises(StoreUnavailable) as caught:
        put(store, b"x")
    assert "NOBODY" not in repr(caught.value)
    assert SECRET not in repr(store)


def test_no_credentials_at_all(plain_s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without credentials in the environment nothing is sent."""
    bucket = plain_s3.bucket()
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    with pytest.raises(StoreUnavailable, match="NoCredentials"):
        put(plain_s3.store(bucket=bucket), b"x")


def test_what_speaks_to_the_bucket_is_not_installed() -> None:
    """Without boto3 the error names the extra that brings it."""
    code = (
        "import sys; sys.modules['boto3'] = None\n"
        "from pipeline.errors import MissingExtra\n"
        "try:\n    import pipeline.store.s3\nexcept MissingExtra as exc:\n    print(exc)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "callseal[s3]" in done.stdout


def test_options_are_complete() -> None:
    """A bucket alone is enough: AWS, tags, no lock."""
    options = S3Options("bucket")
    assert (options.endpoint, options.tags, options.object_lock) == ("", True, "")
