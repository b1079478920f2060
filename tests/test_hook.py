"""The hook, over real sockets: who is let in, what is sealed, and what a second delivery does."""

from __future__ import annotations

import json
import socket
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import pytest
from standardwebhooks import Webhook
from twilio.request_validator import RequestValidator

from pipeline import jobs
from pipeline.api.app import Door, make_app
from pipeline.api.limits import ADDRESSES, RateLimit
from pipeline.build import custody
from pipeline.config import Settings, load_settings
from pipeline.errors import NotFound, Refused, StoreUnavailable
from pipeline.intake.fetch_recording import FetchRule, allowed, fetch
from pipeline.roles import Role
from pipeline.tokens import Scope, check_token, create_token, list_tokens, revoke_token
from pipeline.types import Status
from tests import scripted
from tests.factories import pcm16, sound_file
from tests.hook import Platform, platform, serving
from tests.product import needles, sightings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pipeline.custody import Custody
    from pipeline.run import Rooms

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
TWILIO, STANDARD = "twilio-secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
PUBLIC = "https://calls.example.com"


@dataclass
class Hook:
    """A hook that is up, with a token, and the rooms behind it."""

    url: str
    token: str
    settings: Settings
    held: Custody
    rooms: Rooms
    queued: list[str] = field(default_factory=list)

    def upload(self, *parts: tuple[str, bytes], token: str | None = None) -> httpx.Response:
        """Parts as multipart/form-data."""
        bearer = self.token if token is None else token
        files = [(name, (name, body, "application/octet-stream")) for name, body in parts]
        headers = {"authorization": f"Bearer {bearer}"} if bearer else {}
        return httpx.post(f"{self.url}/calls", files=files, headers=headers)

    def twilio(self, secret: str = TWILIO, path: str = "/hooks/twilio", **fields: str) -> httpx.Response:
        """A recording status callback, signed for the public URL."""
        signature = RequestValidator(secret).compute_signature(PUBLIC + path, fields)
        return httpx.post(self.url + path, data=fields, headers={"x-twilio-signature": signature})

    def standard(self, event: Any, secret: str = STANDARD, at: datetime | None = None) -> httpx.Response:
        """An event, signed by the Standard Webhooks specification."""
        body, at = json.dumps(event), at or datetime.now(UTC)
        headers = {
            "webhook-id": "msg-1",
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": Webhook(secret).sign("msg-1", at, body),
        }
        return httpx.post(f"{self.url}/hooks/standard", content=body, headers=headers)

    def work(self, call_id: str) -> str:
        """What a worker does with the call."""
        return jobs.try_call(call_id, self.rooms, self.settings.fetch_rule, NOW)


@pytest.fixture(name="here")
def _here(socket_enabled: None) -> Iterator[Platform]:
    with platform() as here:
        yield here


@pytest.fixture(name="hook")
def _hook(socket_enabled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hook]:
    monkeypatch.setenv("CALLSEAL_API__TWILIO_AUTH_TOKEN", TWILIO)
    monkeypatch.setenv("CALLSEAL_API__WEBHOOK_SECRET", STANDARD)
    monkeypatch.setenv("CALLSEAL_API__PUBLIC_URL", PUBLIC)
    monkeypatch.setenv("CALLSEAL_FETCH__HOSTS", '["localhost"]')
    monkeypatch.setenv("CALLSEAL_FETCH__PRIVATE", "true")
    settings = load_settings(tmp_path / "data")
    held, rooms = custody(settings, Role.INGEST), scripted.rooms(settings)
    _, token = create_token(held.records.engine, [Scope.DELIVER, Scope.METRICS], NOW, NOW + timedelta(days=1))
    queued: list[str] = []
    with serving(
        make_app(
            Door(settings, held, rooms.retention, queued.extend, lambda: jobs.Progress(2, 1, 60.0, None), lambda: NOW)
        )
    ) as url:
        yield Hook(url, token, settings, held, rooms, queued)
    held.records.close()
    rooms.records.close()


def twilio_fields(here: Platform, **changed: str) -> dict[str, str]:
    """What Twilio says of a finished recording."""
    return {
        "CallSid": "CA0f3b",
        "RecordingSid": "RE77",
        "RecordingStatus": "completed",
        "RecordingUrl": f"{here.url}/Recordings/RE77",
        "RecordingChannels": "2",
        "RecordingStartTime": "Fri, 20 Nov 2026 14:03:00 +0000",
    } | changed


def test_an_upload_becomes_a_stored_call(hook: Hook) -> None:
    """Metadata and a recording are answered at once, wait sealed and queued, and a worker stores the redacted call."""
    answer = hook.upload(("metadata", scripted.metadata()), ("audio", scripted.recording()))
    assert (answer.status_code, answer.json()) == (
        202,
        {"accepted": True, "call_id": "CA-scripted", "repeated": False},
    )
    assert hook.queued == ["CA-scripted"]
    secret = needles(scripted.CALLER, scripted.KNOWN["PERSON"][0], scripted.recording()[80_000:80_064])
    assert sightings(secret, hook.settings.data_dir) == []
    assert hook.work("CA-scripted") == Status.STORED


def test_an_upload_of_two_legs(hook: Hook) -> None:
    """Legs may come in either order; each is heard as whose it is."""
    agent, customer = (sound_file(pcm16(v[None]), scripted.RATE_HZ) for v in scripted.samples(scripted.script()))
    assert hook.upload(("metadata", scripted.metadata()), ("customer", customer), ("agent", agent)).status_code == 202
    assert hook.work("CA-scripted") == Status.STORED
    record = hook.held.records.call("CA-scripted")
    assert record is not None
    assert record.summary["channels"] == ["customer", "agent"]


def test_a_second_upload_is_answered_as_done(hook: Hook) -> None:
    """The same call delivered again is accepted, said to be repeated, and neither sealed nor queued again."""
    parts = (("metadata", scripted.metadata()), ("audio", scripted.recording()))
    hook.upload(*parts)
    assert hook.upload(*parts).json()["repeated"] is True
    assert hook.queued == ["CA-scripted"]


@pytest.mark.parametrize(
    "parts",
    [
        (("audio", b"x"), ("metadata", scripted.metadata())),
        (("metadata", scripted.metadata()),),
        (("metadata", scripted.metadata()), ("voice", b"x")),
        (("metadata", scripted.metadata()), ("agent", b"x")),
        (("metadata", scripted.metadata()), ("audio", b"x"), ("audio", b"x")),
        (("metadata", scripted.metadata()), ("audio", b"")),
        (("metadata", b"{"), ("audio", b"x")),
        (("metadata", b'{"call_id": "CA-1", "nmae": "x"}'), ("audio", b"x")),
        (("metadata", b"{}"), ("audio", b"x")),
    ],
)
def test_an_upload_that_makes_no_sense_leaves_nothing(hook: Hook, parts: tuple[tuple[str, bytes], ...]) -> None:
    """It is answered as bad input, nothing waits, nothing is stored."""
    answer = hook.upload(*parts)
    assert answer.status_code == 422
    assert hook.queued == []
    assert list(hook.held.archive.store.list()) == []


def test_an_upload_that_is_cut_off_leaves_nothing(hook: Hook) -> None:
    """A body that ends before its last boundary is refused, whatever was read of it."""
    request = httpx.Request(
        "POST",
        hook.url,
        files=[("metadata", ("m", scripted.metadata())), ("audio", ("a", scripted.recording()))],
    )
    body = request.read()[:-40]
    headers = {"content-type": request.headers["content-type"], "authorization": f"Bearer {hook.token}"}
    answer = httpx.post(f"{hook.url}/calls", content=body, headers=headers)
    assert answer.status_code == 422
    assert list(hook.held.archive.store.list()) == []


def test_slow_senders_stop_nobody(hook: Hook) -> None:
    """More uploads at a standstill than there are threads for them: events, health and figures are answered."""
    head = (
        f"POST /calls HTTP/1.1\r\nhost: hook\r\nauthorization: Bearer {hook.token}\r\ncontent-length: 999999\r\n"
        "content-type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
    )
    address = urlsplit(hook.url)
    with ExitStack() as slow:
        for _ in range(50):
            sender = slow.enter_context(socket.create_connection((address.hostname, address.port), 60))
            sender.sendall(head.encode())
        # It is looked at after the tokens of all of them, so that they have their threads.
        assert httpx.get(f"{hook.url}/readyz").json() == httpx.get(f"{hook.url}/healthz").json() == {"ok": True}
        data = {"metadata": json.loads(scripted.metadata()), "recording_url": "https://recordings.example.com/a.wav"}
        assert hook.standard({"type": "call.finished", "data": data}).status_code == 202
        bearer = {"authorization": f"Bearer {hook.token}"}
        assert httpx.get(f"{hook.url}/metrics", headers=bearer).status_code == 200


def test_nobody_is_let_in_without_a_token_that_is_good(hook: Hook) -> None:
    """No token, a wrong one, an expired, a revoked and one for something else are refused alike, and recorded."""
    engine = hook.held.records.engine
    _, old = create_token(engine, [Scope.DELIVER], NOW - timedelta(days=2), NOW - timedelta(days=1))
    _, other = create_token(engine, [Scope.METRICS], NOW, NOW + timedelta(days=1))
    gone, back = create_token(engine, [Scope.DELIVER], NOW, NOW + timedelta(days=1))
    revoke_token(engine, gone.token_id, NOW)
    parts = (("metadata", scripted.metadata()), ("audio", scripted.recording()))
    answers = [
        hook.upload(*parts, token=each) for each in ("", "x", hook.token + "x", hook.token[:-1], old, other, back)
    ]
    assert {answer.status_code for answer in answers} == {403}
    assert len({answer.text for answer in answers}) == 1
    last = hook.held.access.trail.last("deliver")
    assert last is not None
    assert last.outcome == "denied"
    assert hook.queued == []


def test_tokens_are_kept_as_digests(hook: Hook) -> None:
    """The text of a token is in no file; a token is listed by its id, and is good until it is revoked, once."""
    engine = hook.held.records.engine
    assert sightings(needles(hook.token.rpartition("_")[2]), hook.settings.data_dir) == []
    (token,) = list_tokens(engine)
    assert check_token(engine, hook.token, Scope.DELIVER, NOW) == token.token_id
    revoke_token(engine, token.token_id, NOW)
    with pytest.raises(Refused):
        check_token(engine, hook.token, Scope.DELIVER, NOW)
    with pytest.raises(NotFound):
        revoke_token(engine, token.token_id, NOW)


def test_a_twilio_callback_becomes_a_stored_call(hook: Hook, here: Platform) -> None:
    """The event is answered before anything is fetched; the worker fetches both channels and stores the call."""
    path = "/hooks/twilio?caller=%2B12025550143&jurisdictions=US-CA&recording_notice=ivr&notice_version=2026-03"
    assert hook.twilio(path=path, **twilio_fields(here)).json()["call_id"] == "CA0f3b-RE77"
    assert here.asked == []
    assert hook.work("CA0f3b-RE77") == "StoreUnavailable"  # not there yet: the platform answers 404
    here.recordings["/Recordings/RE77.wav?RequestedChannels=2"] = scripted.recording()
    assert hook.work("CA0f3b-RE77") == Status.STORED
    record = hook.held.records.call("CA0f3b-RE77")
    assert record is not None
    assert record.subject_id == hook.held.root.subject_id(scripted.CALLER)
    assert record.started_at == datetime(2026, 11, 20, 14, 3, tzinfo=UTC)
    assert record.summary["consent"]["evidence"][0]["version"] == "2026-03"
    assert hook.twilio(path=path, **twilio_fields(here)).json()["repeated"] is True


def test_the_platform_deletes_its_copy_where_the_policy_says_so(hook: Hook, here: Platform) -> None:
    """Only at listed hosts, only once the recording is sealed here, again after an error; the history says so."""
    here.copies.add("/Recordings/RE77")
    here.recordings["/Recordings/RE77.wav?RequestedChannels=2"] = scripted.recording()
    rule = replace(hook.settings.fetch_rule, delete_at=("localhost",))
    path = "/hooks/twilio?caller=%2B12025550143&jurisdictions=US-CA"
    for call in ("CA-kept", "CA-1", "CA-2"):
        assert hook.twilio(path=path, **twilio_fields(here, CallSid=call)).status_code == 202
    assert jobs.try_call("CA-kept-RE77", hook.rooms, replace(rule, delete_at=()), NOW) == Status.STORED
    assert here.copies
    here.answers["/Recordings/RE77"] = [(503, "")]
    assert jobs.try_call("CA-1-RE77", hook.rooms, rule, NOW) == "StoreUnavailable"
    assert jobs.try_call("CA-1-RE77", hook.rooms, rule, NOW) == Status.STORED
    assert not here.copies
    here.answers["/Recordings/RE77"] = [(403, "")]
    assert jobs.try_call("CA-2-RE77", hook.rooms, rule, NOW) == Status.STORED
    told = [e.detail for call in ("CA-1-RE77", "CA-2-RE77") for e in hook.held.records.events(call) if "prov" in e.what]
    assert told == [{"deleted": 1, "refused": 0}, {"deleted": 0, "refused": 1}]


def test_a_callback_that_twilio_did_not_sign_is_refused(hook: Hook, here: Platform) -> None:
    """Another secret, another query, other fields: 403 and nothing waits; a recording in progress is left alone."""
    assert hook.twilio(secret="other", **twilio_fields(here)).status_code == 403  # noqa: S106 -- an invented secret
    fields = twilio_fields(here)
    signature = RequestValidator(TWILIO).compute_signature(f"{PUBLIC}/hooks/twilio", fields)
    headers = {"x-twilio-signature": signature}
    for path, sent in (("/hooks/twilio?caller=1", fields), ("/hooks/twilio", fields | {"CallSid": "CA1"})):
        assert httpx.post(hook.url + path, data=sent, headers=headers).status_code == 403
    assert hook.twilio(**twilio_fields(here, RecordingStatus="in-progress")).json() == {"accepted": False}
    assert hook.queued == []


def test_a_signed_event_with_one_url_per_leg(hook: Hook, here: Platform) -> None:
    """A generic event names both legs; they are fetched, put together, and stored."""
    for leg, voice in zip(("agent", "customer"), scripted.samples(scripted.script()), strict=True):
        here.recordings[f"/{leg}"] = sound_file(pcm16(voice[None]), scripted.RATE_HZ)
    urls = {"agent": f"{here.url}/agent", "customer": f"{here.url}/customer"}
    data = {"metadata": json.loads(scripted.metadata()), "recording_urls": urls}
    assert hook.standard({"type": "call.finished", "data": data}).status_code == 202
    assert hook.work("CA-scripted") == Status.STORED


def test_an_event_that_is_not_signed_or_too_old_is_refused(hook: Hook, here: Platform) -> None:
    """Another secret or a replay of yesterday's event is refused; an event of another kind is not taken."""
    event = {"type": "call.finished", "data": {"metadata": {"call_id": "CA-1"}, "recording_url": f"{here.url}/a"}}
    other = "whsec_" + "QUJD" * 8
    assert hook.standard(event, secret=other).status_code == 403
    assert hook.standard(event, at=datetime.now(UTC) - timedelta(days=1)).status_code == 403
    assert hook.standard({"type": "call.started", "data": {}}).json() == {"accepted": False}
    assert hook.standard({"type": "call.finished", "data": {}}).status_code == 422
    assert hook.queued == []


def test_an_erasure_reaches_a_call_that_was_only_announced(hook: Hook, here: Platform) -> None:
    """Once its caller is erased nothing is fetched for it any more, and other announced calls are not refused."""
    from pipeline.erasure.erase import carry_out
    from pipeline.erasure.plan import plan_erasure

    hook.twilio(path="/hooks/twilio?caller=%2B12025550143", **twilio_fields(here))
    officer = custody(hook.settings, Role.PRIVACY_OFFICER)
    carry_out(plan_erasure(officer.records, officer.root.subject_id(scripted.CALLER)), officer, lambda: NOW)
    officer.records.close()
    assert hook.work("CA0f3b-RE77") == "NotFound"
    assert here.asked == []
    other = twilio_fields(here, CallSid="CA-other")
    assert hook.twilio(path="/hooks/twilio?caller=%2B12025550144", **other).status_code == 202


def test_health_and_metrics(hook: Hook) -> None:
    """Anybody may ask whether it is up; figures are for who has a token for them, and count what waits."""
    assert httpx.get(f"{hook.url}/healthz").json() == {"ok": True}
    assert httpx.get(f"{hook.url}/readyz").json() == {"ok": True}
    assert httpx.get(f"{hook.url}/metrics").status_code == 403
    hook.upload(("metadata", scripted.metadata()), ("audio", scripted.recording()))
    page = httpx.get(f"{hook.url}/metrics", headers={"authorization": f"Bearer {hook.token}"}).text
    assert 'callseal_calls{outcome="waiting"} 1.0' in page
    assert "callseal_overdue_requests 0.0" in page
    assert 'callseal_jobs{state="waiting"} 2.0' in page
    assert 'callseal_review_backlog{kind="marked"} 0.0' in page
    assert hook.work("CA-scripted") == Status.STORED
    page = httpx.get(f"{hook.url}/metrics", headers={"authorization": f"Bearer {hook.token}"}).text
    assert 'callseal_calls{outcome="stored"} 1.0' in page
    assert 'callseal_last_stage_seconds{stage="transcribe"}' in page
    assert f"callseal_last_audio_seconds {scripted.DURATION_S}" in page


@pytest.mark.parametrize(
    ("url", "rule"),
    [
        ("https://elsewhere.example.com/a", FetchRule(("localhost",), private=True)),
        ("http://localhost/a", FetchRule(("localhost",))),
        ("https://localhost/a", FetchRule(("localhost",))),
        ("https://127.0.0.1/a", FetchRule(("127.0.0.1",))),
        ("https://[::1]/a", FetchRule(("::1",))),
        ("https://169.254.169.254/a", FetchRule(("169.254.169.254",))),
        ("https://0x7f000001/a", FetchRule(("0x7f000001",))),
        ("file:///etc/passwd", FetchRule(("",), private=True)),
        ("ftp://localhost/a", FetchRule(("localhost",), private=True)),
        ("https://localhost.example.com@127.0.0.1/a", FetchRule((".example.com",))),
    ],
)
def test_what_must_not_be_fetched(socket_enabled: None, url: str, rule: FetchRule) -> None:
    """Hosts that are not listed, addresses of this network, other schemes and disguises are refused unasked."""
    with pytest.raises((Refused, StoreUnavailable)):
        allowed(url, rule)


def test_a_redirect_is_held_to_the_same_rule(here: Platform) -> None:
    """One to a listed host is followed, one elsewhere is refused, and an endless chain ends."""
    rule = FetchRule(("localhost",), private=True, logins={"localhost": ("user", "pass")})
    here.recordings["/b"] = b"recording"
    here.answers["/a"] = [(302, "/b"), (302, "https://elsewhere.example.com/b")]
    assert b"".join(fetch(f"{here.url}/a", rule)) == b"recording"
    assert all(authorization for _, authorization in here.asked)
    with pytest.raises(Refused):
        list(fetch(f"{here.url}/a", rule))
    here.answers["/c"] = [(302, "/c")] * 9
    with pytest.raises(Refused):
        list(fetch(f"{here.url}/c", rule))


@pytest.mark.parametrize(
    ("status", "error"),
    [(404, StoreUnavailable), (503, StoreUnavailable), (429, StoreUnavailable), (410, NotFound), (401, Refused)],
)
def test_what_a_platform_answers(here: Platform, status: int, error: type[Exception]) -> None:
    """Not ready yet, overloaded and broken may pass; deleted and forbidden do not."""
    here.answers["/a"] = [(status, "")]
    with pytest.raises(error):
        list(fetch(f"{here.url}/a", FetchRule(("localhost",), private=True)))


def test_a_rate_limit_counts_by_address() -> None:
    """An address that asked too often waits its turn; others do not, and time gives back what was used."""
    limit = RateLimit(60)
    assert [limit.admits("a", NOW) for _ in range(61)] == [True] * 60 + [False]
    assert limit.admits("b", NOW)
    assert [limit.admits("a", NOW + timedelta(seconds=2)) for _ in range(3)] == [True, True, False]
    for number in range(ADDRESSES + 10):
        limit.admits(str(number), NOW)
    assert len(limit._left) == ADDRESSES  # noqa: SLF001 -- bounded memory is seen from inside only
