"""Calls streamed over WebSockets: the messages of a platform, who may send and listen, what comes out, what is kept."""

from __future__ import annotations

import base64
import json
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest
import soundfile
from twilio.request_validator import RequestValidator
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

from benchmarks import score
from pipeline import build, jobs, mulaw
from pipeline.api.app import Door, make_app
from pipeline.api.media_streams import MESSAGE_BYTES, Media, Start, Stop, Tracks, read
from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.errors import BadInput, BadMetadata
from pipeline.roles import Role
from pipeline.run import process_waiting
from pipeline.tokens import Scope, create_token
from pipeline.types import Channel, Status
from tests import scripted
from tests.hook import serving
from tests.live_calls import events, line
from tests.product import TESTS, needles, sightings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pipeline.audio import Samples
    from pipeline.config import Settings
    from pipeline.custody import Custody
    from pipeline.live.sense import Ears
    from pipeline.run import Rooms

pytest_plugins = ("tests.real",)

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
SECRET, PUBLIC = "twilio-secret", "https://calls.example.com"
SECRETS = needles(scripted.NAME, scripted.CARD, "zebulon", "four one one one", "five five oh one")
CALL_ID = "CA1-MZ1"


def connected() -> str:
    """The first message of every stream."""
    return json.dumps({"event": "connected", "protocol": "Call", "version": "1.0.0"})


def start(**changed: Any) -> str:
    """The message with which a stream of both tracks begins."""
    form = {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1}
    parameters = {"jurisdictions": "US-CA", "caller": scripted.CALLER, "language": "en"}
    body = {"callSid": "CA1", "streamSid": "MZ1", "tracks": ["inbound", "outbound"], "mediaFormat": form}
    return json.dumps({"event": "start", "start": body | {"customParameters": parameters} | changed})


def media(track: str, at_ms: int, raw: bytes) -> str:
    """20 ms of one track."""
    payload = base64.b64encode(raw).decode()
    return json.dumps({"event": "media", "media": {"track": track, "timestamp": str(at_ms), "payload": payload}})


def frames(samples: Samples) -> Iterator[str]:
    """The agent's and the customer's samples as a platform sends them: frame by frame, track by track."""
    for first in range(0, samples.shape[1], 160):
        for track, row in (("outbound", samples[0]), ("inbound", samples[1])):
            yield media(track, first // 8, mulaw.encode(row[first : first + 160]))


def test_mu_law_is_the_standards() -> None:
    """All 256 bytes are read as FFmpeg reads them, and written back as the same bytes but for a negative zero."""
    raw = bytes(range(256))
    frame = av.AudioFrame(format="s16", layout="mono", samples=256)
    decoder = av.CodecContext.create("pcm_mulaw", "r")
    decoder.sample_rate, decoder.layout = 8000, "mono"  # type: ignore[attr-defined]
    [frame] = decoder.decode(av.Packet(raw))  # type: ignore[attr-defined]
    assert (mulaw.decode(raw) == frame.to_ndarray()[0]).all()
    assert mulaw.encode(mulaw.decode(raw)) == raw.replace(b"\x7f", b"\xff")
    every = np.arange(-32768, 32768).astype(np.int16)
    off = np.abs(mulaw.decode(mulaw.encode(every)).astype(int) - every)
    assert (off <= np.abs(every.astype(int)) / 16 + 8).all()


def test_messages_are_read_as_the_platform_documents_them() -> None:
    """The start names the call, its tracks and its metadata; keypad digits and marks are not read."""
    begun = read(start())
    assert isinstance(begun, Start)
    assert (begun.metadata.call_id, begun.metadata.jurisdictions) == (CALL_ID, ("US-CA",))
    assert begun.tracks == {"inbound": Channel.CUSTOMER, "outbound": Channel.AGENT}
    other = read(start(customParameters={"inbound": "agent", "metadata": json.dumps({"language": "en"})}))
    assert isinstance(other, Start)
    assert other.tracks["inbound"] is Channel.AGENT
    piece = read(media("inbound", 40, b"\xff\x00"))
    assert isinstance(piece, Media)
    assert (piece.track, piece.first, piece.samples.tolist()) == ("inbound", 320, [0, -32124])
    assert isinstance(read('{"event": "stop", "stop": {}}'), Stop)
    assert read(connected()) is None
    assert read('{"event": "dtmf", "dtmf": {"digit": "4"}}') is None


@pytest.mark.parametrize(
    "message",
    [
        "",
        "[]",
        "{}",
        '{"event": "media"}',
        '{"event": "media", "media": {"track": "inbound", "timestamp": "x", "payload": ""}}',
        media("third", 0, b""),
        media("inbound", -1, b""),
        '{"event": "media", "media": {"track": "inbound", "timestamp": "0", "payload": "%%%"}}',
        start(mediaFormat={"encoding": "audio/x-wav", "sampleRate": 8000, "channels": 1}),
        start(tracks=[]),
        start(customParameters={"inbound": "mixed"}),
        start(customParameters={"metadata": '{"surprise": 1}'}),
        "[" * 10_000,
        " " * (MESSAGE_BYTES + 1),
    ],
)
def test_what_makes_no_sense_is_refused(message: str) -> None:
    """Whatever is wrong with a message, it is bad input, and its content is not quoted."""
    with pytest.raises(BadInput) as refused:
        read(message)
    assert "surprise" not in str(refused.value) or isinstance(refused.value, BadMetadata)


def test_tracks_are_laid_side_by_side() -> None:
    """Gaps become silence, what comes twice or too late is dropped, a silent track holds nothing up for long."""
    tracks = Tracks(("inbound", "outbound"))

    def add(track: str, first: int, value: int, count: int = 160) -> None:
        tracks.add(Media(track, first, np.full(count, value, np.int16)))

    add("inbound", 0, 1)
    assert tracks.take().shape == (2, 0)
    add("outbound", 8, 2)  # eight samples of jitter are none
    assert tracks.take().tolist() == [[1] * 160, [2] * 160]
    add("inbound", 1_600, 3)
    add("outbound", 160, 4, 1_600)
    assert tracks.take().tolist() == [[0] * 1_440 + [3] * 160, [4] * 1_600]
    add("inbound", 160, 5)
    assert (tracks.dropped, tracks.take().shape) == (1, (2, 0))
    add("inbound", 1_760, 6, 20_000)
    assert tracks.take().shape == (2, 4_000)
    assert tracks.take(last=True).shape == (2, 16_000)
    with pytest.raises(BadInput, match="ahead"):
        add("inbound", 10**9, 7)
    with pytest.raises(BadInput, match="announced"):
        tracks.add(Media("third", 0, np.zeros(1, np.int16)))


@dataclass
class Served:
    """A server that hears calls, with a token for each scope."""

    url: str
    settings: Settings
    held: Custody
    tokens: dict[Scope, str]
    queued: list[str] = field(default_factory=list)

    @contextmanager
    def socket(self, path: str, scope: Scope | None = None, **headers: str) -> Iterator[Any]:
        """A WebSocket that bears the token of a scope."""
        if scope is not None:
            headers["authorization"] = f"Bearer {self.tokens[scope]}"
        with connect(self.url + path, additional_headers=headers, proxy=None, ping_interval=None) as socket:
            yield socket


@contextmanager
def serve(folder: Path, ears: Callable[[Settings], Ears], monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    """A server with these ears, until the block ends."""
    monkeypatch.setenv("CALLSEAL_API__TWILIO_AUTH_TOKEN", SECRET)
    monkeypatch.setenv("CALLSEAL_API__PUBLIC_URL", PUBLIC)
    monkeypatch.setenv("CALLSEAL_LIVE__AT_ONCE", "1")
    monkeypatch.setenv("CALLSEAL_LIVE__DELAY_S", "12")
    settings = load_settings(folder / "data")
    held = custody(settings, Role.INGEST)
    tokens = {each: create_token(held.records.engine, [each], NOW, NOW + timedelta(days=1))[1] for each in Scope}
    heard_with, rooms = ears(settings), scripted.rooms(settings)
    queued: list[str] = []
    waiting = jobs.Progress(0, 0, None, None)
    door = Door(settings, held, rooms.retention, queued.extend, lambda: waiting, lambda: NOW, lambda: heard_with)
    with serving(make_app(door)) as url:
        yield Served(url.replace("http", "ws"), settings, held, tokens, queued)
    held.records.close()
    rooms.records.close()


@pytest.fixture(name="served")
def _served(socket_enabled: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    with serve(tmp_path, scripted.ears, monkeypatch) as served:
        yield served


def told_of(socket: Any) -> list[dict[str, Any]]:
    """Everything that is told until the socket closes."""
    told = []
    try:
        while True:
            told.append(json.loads(socket.recv(timeout=60)))
    except ConnectionClosed:
        return told


def test_a_streamed_call_comes_back_redacted_and_is_kept(served: Served) -> None:
    """Sender and listener are told the same; the call then waits for a worker, and nothing of it is plain on disk."""
    came_in = line(scripted.script())
    with served.socket("/live/twilio?reply=1&wait=1", Scope.LIVE) as sender:
        sender.send(connected())
        sender.send(start())
        first = json.loads(sender.recv(timeout=60))
        with served.socket(f"/live/{CALL_ID}", Scope.LISTEN) as listener:
            assert json.loads(listener.recv(timeout=60)) == first
            for message in frames(came_in):
                sender.send(message)
            sender.send('{"event": "stop", "stop": {}}')
            told, also = told_of(sender), told_of(listener)
    assert (first["event"], first["delay_s"], first["encoding"]) == ("started", 12.0, "audio/x-mulaw")
    assert told == also
    assert [each["event"] for each in told[-2:]] == ["ended", "kept"]
    said = " ".join(each["text"] for each in events(told, "turn"))
    assert all(f"[{kind}]" in said for kind in ("PERSON", "CREDIT_CARD"))
    assert scripted.ORDINARY in said
    assert not sightings(SECRETS, json.dumps(told), served.settings.data_dir)
    assert served.queued == [CALL_ID]
    outcome = process_waiting(CALL_ID, scripted.rooms(served.settings), NOW)
    assert outcome.status is Status.STORED
    assert outcome.summary["duration_s"] == pytest.approx(scripted.DURATION_S, abs=0.02)


def test_only_who_may_is_let_in(served: Served) -> None:
    """A signature of the platform or a token of the right scope opens a socket; anything else is told nothing."""
    signature = RequestValidator(SECRET).compute_signature("wss://calls.example.com/live/twilio", {})
    with served.socket("/live/twilio", **{"x-twilio-signature": signature}) as socket:
        socket.send(connected())
    refused: list[tuple[str, Scope | None, dict[str, str]]] = [
        ("/live/twilio", None, {}),
        ("/live/twilio", Scope.LISTEN, {}),
        ("/live/twilio", None, {"x-twilio-signature": "x" + signature}),
        (f"/live/{CALL_ID}", Scope.LIVE, {}),
        (f"/live/{CALL_ID}", None, {"x-twilio-signature": signature}),
    ]
    for path, scope, headers in refused:
        with pytest.raises(InvalidStatus, match="403"), served.socket(path, scope, **headers):
            pass


def test_a_call_that_cannot_be_heard_is_closed_with_the_reason(served: Served) -> None:
    """One call too many may come later; nonsense is an error; nobody listens to a call that is not there."""
    with served.socket(f"/live/{CALL_ID}", Scope.LISTEN) as listener:
        assert told_of(listener) == []
        assert listener.close_code == 4404
    with served.socket("/live/twilio?reply=1", Scope.LIVE) as sender:
        sender.send(start())
        assert json.loads(sender.recv(timeout=60))["event"] == "started"
        with served.socket("/live/twilio", Scope.LIVE) as other:
            other.send(start(callSid="CA2"))
            assert told_of(other) == []
            assert other.close_code == 1013
        sender.send('{"event": "media", "media": {}}')
        told_of(sender)
        assert sender.close_code == 1007
    assert served.queued == []


@pytest.mark.models
def test_a_caller_heard_with_real_weights_gives_nothing_away(
    socket_enabled: None, loaded: Rooms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A spelled name and a date of birth, streamed frame by frame: neither can be heard or read, the rest can."""
    folder = TESTS / "data" / "corpus" / "name_spelled"
    truth = json.loads((folder / "truth.json").read_text())
    legs = [soundfile.read(folder / f"{leg}.wav", dtype="int16") for leg in ("agent", "customer")]
    assert {rate for _, rate in legs} == {8_000}
    longest = max(len(samples) for samples, _ in legs)
    came_in = np.stack([np.pad(samples, (0, longest - len(samples))) for samples, _ in legs])
    names = ("vad", "transcriber", "recognizer", "tagger")

    def ears(settings: Settings) -> Ears:
        return replace(build.live_ears(settings), **{name: getattr(loaded, name) for name in names})

    with (
        serve(tmp_path, ears, monkeypatch) as served,
        served.socket("/live/twilio?reply=1&wait=1", Scope.LIVE) as sender,
    ):
        sender.send(start(customParameters={"jurisdictions": "US-TX", "language": "en"}))
        for message in frames(came_in):
            sender.send(message)
        sender.send('{"event": "stop", "stop": {}}')
        told = told_of(sender)
    replaced = [cut for each in events(told, "audio") for cut in each["replaced"]]
    scored = score.score_call(truth, {"redactions": replaced}, {"turns": events(told, "turn")})
    callers = [each for each in scored.entities if each.channel == "customer"]
    assert [(each.entity_type, each.uncovered_s) for each in callers if each.leaked] == []
    assert len(callers) == 3
    assert scored.over_redacted_s < 0.5 * scored.other_speech_s
    assert told[-2]["late_findings"] == 0
