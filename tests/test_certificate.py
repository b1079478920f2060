"""Certificates: whole and signed or refused, silent about whose they are, and true about what is left."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.backups.backup import Residual
from pipeline.erasure.certificate import Issued, check, check_subject, issue
from pipeline.erasure.erase import ErasureReport, carry_out
from pipeline.erasure.page import page
from pipeline.erasure.plan import ErasedObject, ErasurePlan, Kept, plan_erasure
from pipeline.erasure.proof import Proof
from pipeline.errors import VerificationFailed
from pipeline.keys.signing import SigningKey, canonical
from tests import scripted
from tests.held import LATER, NOW, held_in
from tests.product import CALLSEAL, SCRIPTED, needles, run, sightings

if TYPE_CHECKING:
    from pathlib import Path

NUMBER = "+12025550143"
PLAN = ErasurePlan(
    erasure_id="e" * 32,
    subject_id="5" * 40,
    call_ids=("CA01",),
    leg_call_ids=(),
    objects=(ErasedObject("0" * 32, "CA01", "transcript", "a" * 64, 100),),
    key_ids=("k" * 32,),
    owner_ids=("5" * 40,),
    kept=(Kept("CA02", "legal_hold hold-1, case case-7: <script>litigation</script>"),),
    identity="callback",
)
RESIDUAL = Residual("database snapshot", "second site", NOW, LATER)
REPORT = ErasureReport(PLAN, NOW, NOW, LATER, "method", Proof(3, 3, 1), (RESIDUAL,))


@pytest.fixture(name="key", scope="module")
def _key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    return SigningKey.create(tmp_path_factory.mktemp("keys") / "signing.pem")


@pytest.fixture(name="issued", scope="module")
def _issued(key: SigningKey) -> Issued:
    return issue(REPORT, NUMBER, key, LATER)


def test_says_what_was_done(issued: Issued, key: SigningKey) -> None:
    """Request, identity check, objects with hashes, keys with times, method, check, refusals and what is left."""
    body = check(issued.certificate, key.public)
    assert body["request"]["identity_check"] == "callback"
    assert body["erased"]["objects"][0]["sha256"] == "a" * 64
    assert body["erased"]["keys"] == [{"key_id": "k" * 32, "destroyed_at": "2026-11-20T14:03:00Z"}]
    assert "NIST SP 800-88 Rev. 2" in body["method"]["standard"]
    assert (body["verification"]["copies_tried"], body["verification"]["copies_opened_after"]) == (3, 0)
    assert body["refused"][0]["call_id"] == "CA02"
    assert body["residual_copies"][0]["expires_at"] == "2026-11-21T14:03:00Z"


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_changed_byte_is_found(issued: Issued, key: SigningKey, data: st.DataObject) -> None:
    """A certificate in which any byte is changed, added or taken away does not verify."""
    raw = bytearray(issued.certificate)
    at = data.draw(st.integers(0, len(raw) - 1), "at")
    how = data.draw(st.sampled_from(["change", "add", "take"]), "how")
    byte = data.draw(st.integers(0, 255), "byte")
    if how == "change":
        raw[at] = byte if byte != raw[at] else byte ^ 1
    elif how == "add":
        raw.insert(at, byte)
    else:
        del raw[at]
    with pytest.raises(VerificationFailed):
        check(bytes(raw), key.public)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda document: document | {"more": 1},
        lambda document: document["certificate"],
        lambda document: {"certificate": document["certificate"], "signature": None},
        lambda document: document | {"signature": document["signature"] | {"algorithm": "none"}},
        lambda document: document | {"signature": document["signature"] | {"value": "0" * 128}},
        lambda document: document | {"signature": document["signature"] | {"value": ""}},
    ],
)
def test_what_is_no_certificate(issued: Issued, key: SigningKey, spoil: Any) -> None:
    """Well-formed JSON that is not exactly a signed certificate is refused."""
    with pytest.raises(VerificationFailed):
        check(canonical(spoil(json.loads(issued.certificate))), key.public)


def test_another_purpose_and_another_key(issued: Issued, key: SigningKey, tmp_path: Path) -> None:
    """A signature of the same key for something else is no certificate, and another key's is not this one's."""
    body = {"format": "callseal-audit-checkpoint/1", "certificate_id": "x"}
    signature = {"algorithm": "Ed25519", "key_id": key.key_id, "value": key.sign(canonical(body)).hex()}
    with pytest.raises(VerificationFailed, match="no certificate of erasure"):
        check(canonical({"certificate": body, "signature": signature}), key.public)
    with pytest.raises(VerificationFailed, match="not signed by key"):
        check(issued.certificate, SigningKey.create(tmp_path / "other.pem").public)


def test_about_whom(issued: Issued, key: SigningKey) -> None:
    """With the disclosure a third party sees that it is about the number; without, nothing of the number is in it."""
    body = check(issued.certificate, key.public)
    check_subject(body, NUMBER, issued.disclosure)
    with pytest.raises(VerificationFailed, match="another number"):
        check_subject(body, "+12025550144", issued.disclosure)
    other = issue(REPORT, NUMBER, key, LATER)
    with pytest.raises(VerificationFailed, match="another certificate"):
        check_subject(body, NUMBER, other.disclosure)
    with pytest.raises(VerificationFailed):
        check_subject(body, NUMBER, issued.disclosure[:-1])
    assert body["subject"] != check(other.certificate, key.public)["subject"]  # no two of one person can be linked
    salt = json.loads(issued.disclosure)["salt"].encode()
    assert salt not in issued.certificate
    assert sightings(needles(NUMBER), issued.certificate) == []
    assert b"5" * 40 not in issued.certificate  # nor the name under which the database knows the person


def test_checked_without_callseal(issued: Issued, key: SigningKey, tmp_path: Path) -> None:
    """OpenSSL and the public key are enough: signed are the canonical bytes of the certificate's body."""
    document = json.loads(issued.certificate)
    (tmp_path / "public.pem").write_bytes(key.public.pem())
    (tmp_path / "signature").write_bytes(bytes.fromhex(document["signature"]["value"]))
    start = issued.certificate.index(b'"certificate":') + len(b'"certificate":')
    (tmp_path / "body").write_bytes(issued.certificate[start : issued.certificate.rindex(b',"signature":')])
    arguments = ["-pubin", "-inkey", "public.pem", "-rawin", "-in", "body", "-sigfile", "signature"]
    done = subprocess.run(["openssl", "pkeyutl", "-verify", *arguments], cwd=tmp_path, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_page_is_escaped(issued: Issued, key: SigningKey) -> None:
    """The page names every call, object, key and reason, and runs no script that a reason holds."""
    html = page(check(issued.certificate, key.public), key.key_id)
    assert all(each in html for each in ("CA01", "CA02", "a" * 64, "k" * 32, "callback", "second site", key.key_id))
    assert "<script>" not in html


def test_of_a_real_erasure(tmp_path: Path, key: SigningKey) -> None:
    """What an erasure reports, on disk and back, can be certified; times and ids are those of the erasure."""
    held = held_in(tmp_path / "data")
    held.store_call("CA01", audio_bytes=1000)
    held.records.note("CA01", "exported", {"files": 5}, NOW)
    report = carry_out(plan_erasure(held.records, held.subject_id(43)), held, lambda: LATER)
    body = check(issue(report, NUMBER, key, LATER).certificate, key.public)
    assert (body["erased"]["calls"], body["exported_before"]) == (["CA01"], ["CA01"])
    assert len(body["erased"]["objects"]) == 3
    held.close()


def test_the_command(tmp_path: Path) -> None:
    """Delete with a certificate, verify it with the public key, again, for the number, and after a change."""
    (tmp_path / "call.wav").write_bytes(scripted.recording())
    (tmp_path / "call.json").write_bytes(scripted.metadata())
    data = ("--data-dir", tmp_path / "data", "--json")
    done = run("process", tmp_path / "call.wav", "--metadata", tmp_path / "call.json", *data, program=SCRIPTED)
    assert done.code == 0, done.err
    certificate, public = tmp_path / "c.json", tmp_path / "public.pem"
    delete = ("delete", "--caller", NUMBER, "--yes", "--certificate", certificate, "--identity")
    assert run(*delete, "guess", *data).code == 2
    done = run(*delete, "callback", *data)
    assert done.code == 0, done.err
    assert run("keys", "export-signing-public", "--to", public, *data).code == 0
    verify = ("certificate", "verify", certificate, "--public-key", public, "--json")
    about = ("--caller", "(202) 555-0143", "--disclosure", tmp_path / "c.disclosure.json")
    done = run(*verify, *about, program=CALLSEAL)
    assert (done.code, done.json["valid"], done.json["about_caller"]) == (0, True, True)
    assert done.json["certificate"]["request"]["identity_check"] == "callback"
    assert "CA-scripted" in (tmp_path / "c.html").read_text()
    again = run("certificate", "issue", "--caller", NUMBER, "--to", tmp_path / "again.json", *data)
    assert again.code == 0, again.err
    assert run("certificate", "verify", tmp_path / "again.json", "--public-key", public).code == 0
    assert run("certificate", "issue", "--caller", NUMBER, "--to", certificate, *data).code == 2
    certificate.write_bytes(certificate.read_bytes().replace(b"CA-scripted", b"CA-scriptee"))
    assert run(*verify).code == 6
    wanted = needles(NUMBER, scripted.NAME, scripted.CARD)
    assert (
        sightings(wanted, *((tmp_path / name).read_bytes() for name in ("c.json", "c.html", "c.disclosure.json"))) == []
    )
