"""Live calls: what comes out, when, and what never does."""

from __future__ import annotations

import errno
import io
import json
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.fakes import FakeTranscriber
from pipeline import build
from pipeline.audio import AudioFormat
from pipeline.config import load_settings
from pipeline.live.outlet import LEAST_S, Outlet
from pipeline.live.pace import MARGIN_S, MAX_DELAY_S, MIN_DELAY_S, Pace
from pipeline.pii.policy import AudioRule
from pipeline.redact import apply_to_audio
from pipeline.run import process_waiting
from pipeline.speech import FRAME_S
from pipeline.types import Action, Channel, Purpose, Redaction, Status, TimeSpan
from tests import scripted
from tests.live_calls import CHANNELS, DELAY_S, NOW, audio, events, heard, line, live_call
from tests.product import needles, objects, sightings

if TYPE_CHECKING:
    from pathlib import Path

    from pipeline.live.sense import Ears
    from tests.real import Done, Here

pytest_plugins = ("tests.real",)

AGENT, CUSTOMER = CHANNELS
RATE = scripted.RATE_HZ
SECRETS = needles(scripted.NAME, scripted.CARD, "zebulon", "four one one one", "five five oh one")


@pytest.fixture(name="ears", scope="module")
def _ears(tmp_path_factory: pytest.TempPathFactory) -> Ears:
    return scripted.ears(load_settings(tmp_path_factory.mktemp("ears")))


def lines_of(ears: Ears, *lines: tuple[Channel, str, float]) -> tuple[Ears, Any]:
    """Ears that know a call of these lines, and the call's words."""
    words = scripted.script(lines)
    return replace(ears, transcriber=lambda: FakeTranscriber(words)), words


def silent(samples: Any, start_s: float, end_s: float) -> bool:
    """Whether nothing can be heard on any channel."""
    return not samples[:, round(start_s * RATE) : round(end_s * RATE)].any()


def test_redacted_turns_and_audio_come_out_and_nothing_else(ears: Ears) -> None:
    """Names, cards and addresses of the call are replaced in words and sound; the rest is as it was said."""
    came_in = line(scripted.script())
    told = heard(live_call(ears), came_in)
    came_out = audio(told)
    said = " ".join(each["text"] for each in events(told, "turn"))
    assert came_out.shape == came_in.shape
    assert all(f"[{kind}]" in said for kind in ("PERSON", "CREDIT_CARD", "EMAIL_ADDRESS"))
    assert scripted.ORDINARY in said
    assert not sightings(SECRETS, json.dumps(told))
    cut = [(r["channel"], r["start_s"], r["end_s"]) for each in events(told, "audio") for r in each["replaced"]]
    kept = np.ones(came_in.shape, bool)
    for channel, start_s, end_s in cut:
        kept[CHANNELS.index(Channel(channel)), int(start_s * RATE) - 8 : int(end_s * RATE) + 8] = False
    assert (came_out == came_in)[kept].all()
    card = slice(int(15.0 * RATE), int(20.5 * RATE))
    assert not (came_out == came_in)[1, card][came_in[1, card] != 0].mean() > 0.01
    assert events(told, "ended")[0]["late_findings"] == 0


def test_no_sample_comes_out_later_than_the_delay_that_was_told(ears: Ears) -> None:
    """By the time a block has come in, everything that came in a delay before it has come out."""
    call, samples = live_call(ears), line(scripted.script())
    block = round(call.stream.pace.block_s * RATE)
    assert call.started()["delay_s"] == DELAY_S
    out_s = 0.0
    for at in range(0, samples.shape[1] - block, block):
        for each in events(call.hear(samples[:, at : at + block], lambda: 0.0), "audio"):
            assert each["start_s"] == pytest.approx(out_s, abs=0.001)
            out_s = each["end_s"]
        assert (at + 2 * block) / RATE - out_s <= DELAY_S + 0.001


@pytest.mark.parametrize("delay_s", [MIN_DELAY_S, 20.0, 30.0, 60.0, MAX_DELAY_S])
def test_a_delay_leaves_time_to_wait_for_a_pause_to_listen_and_to_look_back(delay_s: float) -> None:
    """Speech without a pause is transcribed, and followed by a margin, before it has to come out."""
    pace = Pace.of(delay_s)
    assert pace.block_s + pace.window_s + pace.block_s + MARGIN_S + pace.slack_s < delay_s
    assert (pace.block_s / FRAME_S) % 1 == 0


NOTICE = (AGENT, "thank you for calling this call is recorded may I have your name please", 1.0)
PLAIN = (CUSTOMER, "the rhubarb in my garden grows very well this year", 9.0)
MORE = (AGENT, "lovely weather for it I would say", 20.0)
OBJECTION = (CUSTOMER, "I do not want to be recorded please stop recording", 26.0)
AFTER = (CUSTOMER, "the shed behind the house is green", 36.0)


def test_without_consent_nothing_comes_out_but_silence(ears: Ears) -> None:
    """Where consent is required and nothing shows it, there are no turns, and no sample is other than silence."""
    told_ears, words = lines_of(ears, PLAIN, MORE)
    told = heard(live_call(told_ears, jurisdictions=["US-CA"]), line(words))
    assert not audio(told).any()
    assert not events(told, "turn")
    assert {each["consent"]["open"] for each in events(told, "audio")} == {False}
    assert events(told, "ended")[0]["withheld_s"] == pytest.approx(scripted.DURATION_S, abs=0.1)


def test_where_no_consent_is_required_the_call_comes_out_from_its_beginning(ears: Ears) -> None:
    """One party's consent is enough in New York."""
    told_ears, words = lines_of(ears, PLAIN, MORE)
    came_in = line(words)
    told = heard(live_call(told_ears, jurisdictions=["US-NY"]), came_in)
    assert (audio(told) == came_in).mean() > 0.99
    assert [each["channel"] for each in events(told, "turn")] == ["customer", "agent"]


def test_a_purpose_that_was_not_consented_to_gets_nothing(ears: Ears) -> None:
    """In the EU, a yes to the recording opens the recording and not the training of models."""
    asked = (AGENT, "this call is recorded is that all right with you", 1.0)
    yes = (CUSTOMER, "yes that is fine", 7.0)
    told_ears, words = lines_of(ears, asked, yes, MORE)
    for purpose, opens in ((Purpose.RECORDING, True), (Purpose.TRAINING, False)):
        told = heard(live_call(told_ears, jurisdictions=["DE"], listened_for=purpose), line(words))
        assert bool(audio(told).any()) is opens
        assert bool(events(told, "turn")) is opens


def test_an_objection_silences_what_comes_after_it(ears: Ears) -> None:
    """What was said before is out; after the objection there is silence on every channel, and no turn."""
    told_ears, words = lines_of(ears, NOTICE, PLAIN, MORE, OBJECTION, AFTER)
    told = heard(live_call(told_ears), line(words, 60.0))
    came_out = audio(told)
    ends_s = words[CUSTOMER][-8].span.end_s
    assert not silent(came_out, 9.0, 12.0)
    assert silent(came_out, ends_s + 0.1, 60.0)
    assert "shed" not in json.dumps(events(told, "turn"))
    assert events(told, "consent")[-1]["consent"]["verdict"] == "withdrawn"
    assert not events(told, "late")


def test_what_cannot_be_heard_in_time_comes_out_silent_and_the_call_catches_up(ears: Ears) -> None:
    """A line that ran ahead is not heard any more; what comes once it is caught up with is."""
    told_ears, words = lines_of(ears, PLAIN, (CUSTOMER, "and then there is the orchard", 64.0))
    came_in, call = line(words, 75.0), live_call(told_ears, waits=False, jurisdictions=["US-NY"])

    def received_s() -> float:
        heard_s = float(call.ended()["duration_s"])
        return max(heard_s, 60.0 if heard_s > 6 else 0.0)

    told = heard(call, came_in, received_s)
    came_out = audio(told)
    assert came_out.shape == came_in.shape
    assert silent(came_out, 8.0, 50.0)
    assert "orchard" in json.dumps(events(told, "turn"))
    assert "rhubarb" not in json.dumps(told)
    assert events(told, "ended")[0]["skipped_s"] > 30


def test_a_language_that_is_not_certain_lets_nothing_out(ears: Ears) -> None:
    """What was transcribed in a language that was guessed has not been understood."""
    words = scripted.script((PLAIN, MORE))
    unsure = replace(ears, transcriber=lambda: FakeTranscriber(words, certainty=0.2))
    told = heard(live_call(unsure, jurisdictions=["US-NY"]), line(words))
    assert not audio(told).any()
    assert not events(told, "turn")


def test_what_is_found_after_it_came_out_is_told_once_and_counted(ears: Ears) -> None:
    """A name that is only explained long after it was said is late; from then on it is found wherever it comes."""
    name, why = (CUSTOMER, "quackenbush rhubarb", 2.0), (CUSTOMER, "my name is Quackenbush", 30.0)
    told_ears, words = lines_of(ears, name, why)
    told = heard(live_call(told_ears, jurisdictions=["US-NY"]), line(words, 45.0))
    found = events(told, "late")
    [late] = [each for each in found if each["channel"] == "customer"]
    assert late["entity_type"] == "PERSON"
    assert late["start_s"] < 3.0
    ended = events(told, "ended")[0]
    assert ended["late_findings"] == len(found)
    assert ended["late_s"] == pytest.approx(sum(each["end_s"] - each["start_s"] for each in found), abs=0.01)


def test_memory_of_a_call_goes_back_beyond_what_is_looked_at_anew(ears: Ears) -> None:
    """A notice and a name of the first minute are known in the sixth."""
    name = (CUSTOMER, "my name is Quackenbush", 8.0)
    again = (CUSTOMER, "this is quackenbush with the rhubarb", 330.0)
    told_ears, words = lines_of(ears, NOTICE, name, again)
    told = heard(live_call(told_ears, delay_s=60.0), line(words, 350.0))
    last = events(told, "turn")[-1]
    assert "rhubarb" in last["text"]
    assert "quackenbush" not in json.dumps(told).casefold()
    assert last["consent"] == {"verdict": "implied", "lawful": True, "open": True}


FMT = AudioFormat("wav", "pcm_s16le", 1_000, 2, "s16", 0)
spans = st.tuples(st.integers(0, 9_000), st.integers(1, 3_000)).map(
    lambda p: TimeSpan(p[0] / 1000, (p[0] + p[1]) / 1000)
)
cuts = st.lists(
    st.builds(
        Redaction, st.just("PERSON"), st.sampled_from(CHANNELS), spans, st.sampled_from(Action), st.just("found")
    ),
    max_size=6,
)


@settings(max_examples=60, deadline=None)
@given(
    ticks=st.lists(st.tuples(st.integers(1, 2_000), st.integers(0, 10_000), cuts), min_size=1, max_size=8),
    seed=st.integers(0, 99),
)
def test_no_sample_in_a_redaction_known_at_its_time_comes_out(
    ticks: list[tuple[int, int, list[Redaction]]], seed: int
) -> None:
    """Whatever is known, and whenever: each sample comes out once, replaced exactly where it was known to be PII."""
    outlet, rule = Outlet(CHANNELS, FMT, AudioRule()), AudioRule()
    came_in = np.random.default_rng(seed).integers(1, 30_000, (2, sum(count for count, _, _ in ticks)), np.int16)
    position, came_out = 0, []
    for count, until, known in ticks:
        outlet.add(came_in[:, position : position + count])
        position += count
        first = round(outlet.out_s * 1_000)
        piece = outlet.emit(until / 1_000, known)
        [expected] = apply_to_audio([came_in], known, CHANNELS, FMT, rule)
        assert (piece == expected[:, first : first + piece.shape[1]]).all()
        for each in known:
            row, at = CHANNELS.index(each.channel), np.arange(first, first + piece.shape[1])
            inside = (at >= each.span.start_s * 1_000) & (at < each.span.end_s * 1_000 - 1e-6)
            assert not (piece[row] == came_in[row, at])[inside].any() or each.action is not Action.SILENCE
        came_out.append(piece)
    assert sum(piece.shape[1] for piece in came_out) == round(outlet.out_s * 1_000) <= position


@given(known=cuts, found=cuts)
@settings(max_examples=60, deadline=None)
def test_late_is_what_came_out_and_was_not_replaced(known: list[Redaction], found: list[Redaction]) -> None:
    """Each moment of it once, per channel, whatever overlaps."""
    outlet = Outlet(CHANNELS, FMT, AudioRule())
    outlet.add(np.ones((2, 6_000), np.int16))
    outlet.emit(5.0, known)
    late = outlet.late(found)
    for row in CHANNELS:
        done, missed, told = (np.zeros(5_000, int) for _ in range(3))
        for marks, spans_of in ((done, known), (missed, found)):
            for each in spans_of:
                if each.channel is row:
                    marks[round(each.span.start_s * 1_000) : round(each.span.end_s * 1_000)] = 1
        for each_late in late:
            if each_late.channel is row:
                told[round(each_late.span.start_s * 1_000) : round(each_late.span.end_s * 1_000)] += 1
        assert told.max(initial=0) <= 1
        assert not (told & done).any()
        assert not (told & ~missed & 1).any()
        runs = np.flatnonzero(np.diff(np.r_[0, ((missed & ~done) & 1) & ~(told & 1), 0]))
        assert all(end - start <= LEAST_S * 1_000 + 1 for start, end in runs.reshape(-1, 2)) or len(found) > 1
    assert not outlet.late(found)


def _kept_live(acted: Here, monkeypatch: pytest.MonkeyPatch, folder: Path, came_in: io.BytesIO) -> Done:
    """``callseal live --keep`` on a standard input; its metadata are gone afterwards."""
    (folder / "call.json").write_bytes(scripted.metadata())
    monkeypatch.setattr(build, "live_ears", scripted.ears)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(came_in))
    options = ["--metadata", folder / "call.json", "--audio", folder / "out.raw", "--data-dir", folder / "data"]
    done = acted("live", "--delay", "12", "--keep", "--json", *options)
    (folder / "call.json").unlink()
    return done


def test_the_command_hears_standard_input_and_hands_the_call_in(
    acted: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """``callseal live --keep``: lines and samples out, redacted; the call sealed and waiting; nothing plain on disk."""
    came_in, out, data = line(scripted.script()), tmp_path / "out.raw", tmp_path / "data"
    done = _kept_live(acted, monkeypatch, tmp_path, io.BytesIO(came_in.T.tobytes() + b"1"))
    assert done.code == 0, done.err
    told = [json.loads(each) for each in done.out.splitlines()]
    assert [told[0]["event"], told[-1]["event"]] == ["started", "kept"]
    assert len(out.read_bytes()) == came_in.size * 2
    loud = came_in[0, RATE : RATE + 64].tobytes()
    assert not sightings(SECRETS | {loud.lower()}, data, done.out, done.err)
    rooms = scripted.rooms(load_settings(data))
    outcome = process_waiting(scripted.METADATA["call_id"], rooms, NOW)
    assert outcome.status is Status.STORED
    assert outcome.summary["duration_s"] == pytest.approx(scripted.DURATION_S)
    assert {"CREDIT_CARD", "PERSON"} <= {each["entity_type"] for each in outcome.summary["redactions"]}


def test_a_call_that_finds_no_room_is_heard_and_not_kept(
    acted: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """With less of the disk free than is left to the workers, the call comes out redacted and nothing is sealed."""
    came_in, data = line(scripted.script()), tmp_path / "data"
    monkeypatch.setattr(build, "live_ears", scripted.ears)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(came_in.T.tobytes())))
    monkeypatch.setenv("CALLSEAL_API__RESERVE_BYTES", str(1 << 60))
    done = acted("live", "--delay", "12", "--keep", "--json", "--data-dir", data)
    *told, last = [json.loads(each) for each in done.out.splitlines()]
    assert (told[-1]["event"], last["error"]["kind"]) == ("ended", "StoreUnavailable")
    assert not objects(data)


class _Breaking(io.BytesIO):
    """Standard input that fails once it has given what it has."""

    def read1(self, size: int | None = -1, /) -> bytes:
        chunk = super().read1(size)
        if not chunk:
            raise OSError(errno.EIO, "what the system says may quote the call")
        return chunk


def test_a_standard_input_that_fails_ends_the_call_with_what_was_heard(
    acted: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """All that came comes out redacted and is kept; then the failure is said, without the system's words."""
    came_in, out, data = line(scripted.script()), tmp_path / "out.raw", tmp_path / "data"
    done = _kept_live(acted, monkeypatch, tmp_path, _Breaking(came_in.T.tobytes()))
    *told, last = [json.loads(each) for each in done.out.splitlines()]
    assert (done.code, told[-1]["event"], last["error"]["kind"]) == (1, "kept", "CallsealError")
    assert len(out.read_bytes()) == came_in.size * 2
    assert "quote" not in done.out + done.err
    assert not sightings(SECRETS, data, done.out, done.err)


def test_a_caller_who_withdrew_consent_or_restricts_use_is_not_listened_to(
    acted: Here, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The command is refused before it reads a sample."""
    data, stated = tmp_path / "data", tmp_path / "call.json"
    stated.write_bytes(scripted.metadata())
    monkeypatch.setattr(build, "live_ears", scripted.ears)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    assert acted("subject", "withdraw", "--caller", scripted.CALLER, "--by", "clerk", "--data-dir", data).code == 0
    done = acted("live", "--metadata", stated, "--json", "--data-dir", data)
    assert (done.code, json.loads(done.out)["error"]["kind"]) == (4, "Refused")
