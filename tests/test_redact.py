"""Redaction: every word that must go goes, whole and on its channel, and everything else stays as it was."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.fakes import spoken
from pipeline.audio import AudioFormat
from pipeline.gaps import fluent
from pipeline.pii.policy import AudioRule, DetectionRule, EntityRule, RedactionPolicy
from pipeline.placeholders import mask as mask_words
from pipeline.redact import apply_to_audio, plan, shadows, under_voices
from pipeline.transcribe import Heard
from pipeline.types import Action, Channel, PiiSpan, Redaction, TimeSpan, Turn, Word, WordRange
from tests.factories import span
from tests.test_gaps import timeline

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.audio import Samples

GOLDEN = json.loads((Path(__file__).parent / "golden" / "redaction.json").read_text())
BOTH = (Channel.AGENT, Channel.CUSTOMER)
RULE = AudioRule(collar_s=0.35, overrun_s=0.2, merge_gap_s=1.0, tone_hz=1000.0, tone_dbfs=-26.0)
POLICY = RedactionPolicy(
    version="test",
    audio=RULE,
    rules=DetectionRule(order_number=""),
    entities={
        "PERSON": EntityRule(threshold=0.0, action=Action.TONE, replacement="[PERSON]"),
        "CREDIT_CARD": EntityRule(threshold=0.0, action=Action.SILENCE, replacement="[CREDIT_CARD]"),
    },
)
RATE_HZ = 8000
DTYPES = {"u8": np.uint8, "s16": np.int16, "s32": np.int32, "flt": np.float32, "dbl": np.float64}
EPSILON_S = 1e-6


def found(turn: int, first: int, end: int, entity_type: str = "PERSON") -> PiiSpan:
    """A finding."""
    return PiiSpan(entity_type, turn, WordRange(first, end), 0.9, "a rule")


@st.composite
def conversation(draw: st.DrawFn) -> tuple[Turn, ...]:
    """Turns on two channels, words of each channel one after the other, with pauses or slight overlaps."""
    at_s = dict.fromkeys(BOTH, 1.0)
    turns = []
    for number in range(draw(st.integers(1, 5))):
        channel = draw(st.sampled_from(BOTH))
        words = []
        for index in range(draw(st.integers(1, 6))):
            start_s = max(at_s[channel] + draw(st.floats(-0.1, 1.5)), 0.0)
            at_s[channel] = start_s + draw(st.floats(0.02, 0.8))
            words.append(Word(f"said{number}x{index}", TimeSpan(start_s, at_s[channel]), 0.9))
        turns.append(Turn(channel.value, channel, tuple(words)))
    return tuple(turns)


@st.composite
def judged(draw: st.DrawFn) -> tuple[tuple[Turn, ...], tuple[PiiSpan, ...], dict[Channel, tuple[TimeSpan, ...]]]:
    """Turns, findings in them, and where the detector heard speech, which need not agree with the words."""
    turns = draw(conversation())
    findings = []
    for _ in range(draw(st.integers(0, 5))):
        turn = draw(st.integers(0, len(turns) - 1))
        first = draw(st.integers(0, len(turns[turn].words) - 1))
        end = draw(st.integers(first + 1, len(turns[turn].words)))
        findings.append(found(turn, first, end, draw(st.sampled_from(["PERSON", "CREDIT_CARD"]))))
    return turns, tuple(findings), {channel: tuple(draw(timeline())) for channel in BOTH}


def split(
    turns: Sequence[Turn], findings: Sequence[PiiSpan]
) -> tuple[list[tuple[Channel, Word]], list[tuple[Channel, Word]]]:
    """Words that must go, and the others."""
    gone = {(each.turn, index) for each in findings for index in range(each.words.first, each.words.end)}
    words = [
        ((number, index), turn.channel, word)
        for number, turn in enumerate(turns)
        for index, word in enumerate(turn.words)
    ]
    return [(c, w) for at, c, w in words if at in gone], [(c, w) for at, c, w in words if at not in gone]


@settings(max_examples=150)
@given(judged())
def test_every_pii_word_is_inside_a_redaction_of_its_channel(
    drawn: tuple[tuple[Turn, ...], tuple[PiiSpan, ...], dict[Channel, tuple[TimeSpan, ...]]],
) -> None:
    """Whatever the neighbours and the detector say, the own time of a word that must go is redacted."""
    turns, findings, speech = drawn
    redactions = plan(turns, findings, speech, POLICY)
    for channel, word in split(turns, findings)[0]:
        assert any(
            r.channel is channel and r.span.start_s <= word.span.start_s and r.span.end_s >= word.span.end_s
            for r in redactions
        )


@settings(max_examples=150)
@given(judged())
def test_a_redaction_reaches_little_into_other_words(
    drawn: tuple[tuple[Turn, ...], tuple[PiiSpan, ...], dict[Channel, tuple[TimeSpan, ...]]],
) -> None:
    """Of a word that may stay, and overlaps none that must go, no more than the overrun goes at either side."""
    turns, findings, speech = drawn
    redactions = plan(turns, findings, speech, POLICY)
    pii, clear = split(turns, findings)
    for channel, word in clear:
        hits = [r.span for r in redactions if r.channel is channel and r.span.overlaps(word.span)]
        cores = [w.span for c, w in pii if c is channel]
        if any(core.overlaps(word.span) for core in cores):
            continue
        for hit in hits:
            lost_s = min(hit.end_s, word.span.end_s) - max(hit.start_s, word.span.start_s)
            both_sides = 2 if hit.start_s <= word.span.start_s and hit.end_s >= word.span.end_s else 1
            assert lost_s <= both_sides * RULE.overrun_s + EPSILON_S


@settings(max_examples=150)
@given(judged())
def test_a_plan_is_in_order_and_repeats_nothing(
    drawn: tuple[tuple[Turn, ...], tuple[PiiSpan, ...], dict[Channel, tuple[TimeSpan, ...]]],
) -> None:
    """Redactions are in order of time, those of one kind on one channel are apart, and saying it twice adds nothing."""
    turns, findings, speech = drawn
    redactions = plan(turns, findings, speech, POLICY)
    assert [r.span.start_s for r in redactions] == sorted(r.span.start_s for r in redactions)
    for one, two in combinations(redactions, 2):
        if (one.channel, one.entity_type) == (two.channel, two.entity_type):
            assert not one.span.overlaps(two.span)
    assert plan(turns, (*findings, *findings), speech, POLICY) == redactions
    assert all(r.span.start_s >= 0 for r in redactions)
    assert all(r.action is POLICY.rule(r.entity_type).action for r in redactions)


def test_the_first_word_after_a_gap_starts_with_the_voice() -> None:
    """A recogniser's late word start does not leave the onset audible: the redaction begins where the voice does."""
    turns = (Turn("customer", Channel.CUSTOMER, (*spoken("it is", 1.0), *spoken("Wilhelmina", 5.4))),)
    speech = {Channel.CUSTOMER: (span(1.0, 1.7), span(5.0, 5.9))}
    (redaction,) = plan(turns, [found(0, 2, 3)], speech, POLICY)
    assert redaction.span.start_s <= 5.0
    assert redaction.span.end_s >= 5.9


@pytest.mark.parametrize(
    ("sound_s", "end_s"),
    [
        (4.7, 4.7),  # the last figure of a number was swallowed, and its sound goes on beyond the collar
        (6.0, 4.35),  # so much more was something else
        (5.3, 4.35),  # it runs into the next word
    ],
)
def test_what_is_left_of_a_sound_goes_with_the_value(sound_s: float, end_s: float) -> None:
    """Where a redaction would end within a sound in which no other word was heard, it ends with that sound."""
    said = (Word("four", span(3.0, 3.4), 0.9), Word("one", span(3.5, 4.0), 0.9), Word("please", span(5.2, 5.6), 0.9))
    speech = {Channel.CUSTOMER: (span(3.0, 4.0), span(4.2, sound_s))}
    (redaction,) = plan((Turn("customer", Channel.CUSTOMER, said),), [found(0, 0, 2)], speech, POLICY)
    assert redaction.span.end_s == pytest.approx(end_s)


@pytest.mark.parametrize(("probability", "end_s"), [(0.9, 2.3), (0.4, 2.5)])
def test_after_a_word_that_was_perhaps_misheard_a_stop_is_no_pause(probability: float, end_s: float) -> None:
    """A name heard as its first half goes on behind its stop, where the next word was put."""
    said = (
        Word("thanks", span(1.5, 1.9), 0.9),
        Word("Bob,", span(1.9, 2.2), probability),
        Word("we", span(2.3, 2.7), 0.9),
    )
    speech = {Channel.AGENT: (span(1.5, 2.2), span(2.3, 3.0))}
    (redaction,) = plan((Turn("agent", Channel.AGENT, said),), [found(0, 1, 2)], speech, POLICY)
    assert redaction.span.end_s == pytest.approx(end_s)


def test_two_findings_with_nothing_between_are_one() -> None:
    """Two names with a breath between them are one redaction; with a word between them, two."""
    line = spoken("Anna Lena", 1.0, gap_s=0.9)
    speech: dict[Channel, tuple[TimeSpan, ...]] = {Channel.CUSTOMER: ()}
    apart = (Turn("customer", Channel.CUSTOMER, line),)
    assert len(plan(apart, [found(0, 0, 1), found(0, 1, 2)], speech, POLICY)) == 1
    between = (Turn("customer", Channel.CUSTOMER, (line[0], Word("or", span(1.5, 2.0), 0.9), line[1])),)
    assert len(plan(between, [found(0, 0, 1), found(0, 2, 3)], speech, POLICY)) == 2


@pytest.mark.parametrize("case", GOLDEN["plans"], ids=lambda case: case["name"])
def test_golden_plans(case: dict[str, Any]) -> None:
    """The plan of each recorded conversation is the one on file."""
    turns = tuple(
        Turn(each["channel"], Channel(each["channel"]), tuple(Word("x", TimeSpan(*w), 0.9) for w in each["words"]))
        for each in case["turns"]
    )
    findings = [found(f["turn"], f["words"][0], f["words"][1], f["entity_type"]) for f in case["findings"]]
    speech = {Channel(name): tuple(TimeSpan(*s) for s in spans) for name, spans in case["speech"].items()}
    redactions = plan(turns, findings, speech, POLICY)
    assert [
        {
            "entity_type": r.entity_type,
            "channel": r.channel.value,
            "span": [round(r.span.start_s, 3), round(r.span.end_s, 3)],
        }
        for r in redactions
    ] == case["redactions"]


@st.composite
def cuts(draw: st.DrawFn) -> list[Redaction]:
    """Redactions of a second of sound, of every kind."""
    redactions = []
    for _ in range(draw(st.integers(0, 4))):
        start_s = draw(st.floats(0, 1.1))
        end_s = start_s + draw(st.floats(0, 0.8))
        redactions.append(
            Redaction(
                "PERSON", draw(st.sampled_from(BOTH)), TimeSpan(start_s, end_s), draw(st.sampled_from(Action)), "drawn"
            )
        )
    return redactions


def signal(dtype: type) -> Samples:
    """(2, one second) random samples over the whole range of the type."""
    rng = np.random.default_rng(1)
    if np.issubdtype(dtype, np.integer):
        return rng.integers(np.iinfo(dtype).min, np.iinfo(dtype).max, (2, RATE_HZ), dtype=dtype, endpoint=True)
    return rng.uniform(-1, 1, (2, RATE_HZ)).astype(dtype)


def blocks(samples: Samples, sizes: Sequence[int]) -> Iterator[Samples]:
    """The samples in blocks of these sizes, over and over."""
    at = turn = 0
    while at < samples.shape[1]:
        yield samples[:, at : at + sizes[turn % len(sizes)]]
        at, turn = at + sizes[turn % len(sizes)], turn + 1


def redacted(
    samples: Samples, redactions: Sequence[Redaction], name: str, sizes: Sequence[int] = (RATE_HZ,)
) -> Samples:
    """The samples after redaction."""
    fmt = AudioFormat("wav", "pcm", RATE_HZ, 2, name, 0)
    return np.concatenate(list(apply_to_audio(blocks(samples, sizes), redactions, BOTH, fmt, RULE)), axis=1)


def mask(redactions: Sequence[Redaction]) -> Samples:
    """(2, one second) which samples a redaction touches, were it by a part of a sample."""
    inside = np.zeros((2, RATE_HZ), dtype=bool)
    for each in redactions:
        first, end = int(np.floor(each.span.start_s * RATE_HZ)), int(np.ceil(each.span.end_s * RATE_HZ))
        inside[BOTH.index(each.channel), first:end] = True
    return inside


@pytest.mark.parametrize("name", DTYPES)
@settings(max_examples=30)
@given(redactions=cuts(), sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=3))
def test_samples_outside_redactions_are_bit_identical(name: str, redactions: list[Redaction], sizes: list[int]) -> None:
    """In every sample type, samples outside keep their bits, blocks of any size give the same, the input stays."""
    samples = signal(DTYPES[name])
    before = samples.copy()
    out = redacted(samples, redactions, name)
    inside = mask(redactions)
    assert out.dtype == samples.dtype
    assert np.array_equal(out[~inside], samples[~inside])
    assert np.array_equal(redacted(samples, redactions, name, [max(size, 100) for size in sizes]), out)
    assert np.array_equal(samples, before)


@pytest.mark.parametrize("action", Action)
@pytest.mark.parametrize("name", DTYPES)
def test_what_is_put_in_has_nothing_of_the_original(name: str, action: Action) -> None:
    """Two different recordings are the same inside a redaction, at the level that the policy states."""
    redaction = Redaction("PERSON", Channel.CUSTOMER, span(0.25, 0.75), action, "a name")
    samples = signal(DTYPES[name])
    one, two = redacted(samples, [redaction], name), redacted(samples[:, ::-1], [redaction], name)
    inside = slice(RATE_HZ // 4, RATE_HZ * 3 // 4)
    assert np.array_equal(one[1, inside], two[1, inside])
    scale = float(np.iinfo(one.dtype).max) if np.issubdtype(one.dtype, np.integer) else 1.0
    level = (one[1, inside].astype(float) - (128 if name == "u8" else 0)) / (127 if name == "u8" else scale)
    peak = 10 ** (RULE.tone_dbfs / 20)
    loudness = float(np.sqrt(np.mean(level**2)))
    assert loudness <= peak
    assert (loudness > peak / 4) is (action is not Action.SILENCE)


@pytest.mark.parametrize("action", [Action.TONE, Action.NOISE])
def test_tone_and_noise(action: Action) -> None:
    """Both are as loud as the policy says; the tone is one sine at its pitch, and the noise has all pitches alike."""
    samples = redacted(signal(np.float64), [Redaction("PERSON", Channel.AGENT, span(0.0, 1.0), action, "")], "dbl")[0]
    assert 20 * np.log10(np.sqrt(2 * np.mean(samples**2))) == pytest.approx(RULE.tone_dbfs, abs=0.3)
    power = np.abs(np.fft.rfft(samples)) ** 2
    at_pitch = power[round(RULE.tone_hz) - 2 : round(RULE.tone_hz) + 3].sum() / power.sum()
    assert bool(at_pitch > 0.99) is (action is Action.TONE)
    octaves = [power[low : 2 * low].sum() / low for low in (100, 500, 1500)]
    assert bool(max(octaves) < 1.5 * min(octaves)) is (action is Action.NOISE)


def test_the_same_redaction_twice_is_the_same() -> None:
    """Redacting what is redacted already changes nothing."""
    redactions = [Redaction("PERSON", Channel.AGENT, span(0.1, 0.6), action, "a name") for action in Action]
    once = redacted(signal(np.int16), redactions, "s16")
    assert np.array_equal(redacted(once, redactions, "s16"), once)


@settings(max_examples=100)
@given(judged())
def test_no_word_that_must_go_is_left_in_the_transcript(
    drawn: tuple[tuple[Turn, ...], tuple[PiiSpan, ...], dict[Channel, tuple[TimeSpan, ...]]],
) -> None:
    """Found words are gone, others stand in their order with their times, and placeholders take their places."""
    turns, findings, _ = drawn
    masked = mask_words(turns, findings, POLICY).turns
    gone, kept = split(turns, findings)
    left = [word for turn in masked for word in turn.words]
    assert not {word.text for _, word in gone} & {word.text for word in left}
    assert [word for word in left if not word.text.startswith("[")] == [word for _, word in kept]
    assert len(masked) == len(turns)
    for number, (before, after) in enumerate(zip(turns, masked, strict=True)):
        here = [each for each in findings if each.turn == number]
        placeholders = [word for word in after.words if word.text.startswith("[")]
        assert len(placeholders) <= len(here)
        assert bool(placeholders) is bool(here)
        assert (after.speaker, after.channel) == (before.speaker, before.channel)
        for each in placeholders:
            assert each.span.start_s <= each.span.end_s
            assert any(each.span.start_s == word.span.start_s for word in before.words)


@settings(max_examples=100)
@given(judged())
def test_shadows_lie_only_where_the_other_channel_is_silent(
    drawn: tuple[tuple[Turn, ...], tuple[PiiSpan, ...], dict[Channel, tuple[TimeSpan, ...]]],
) -> None:
    """A shadow is on the other channel, within the redaction's time, where its owner pauses; all such time has one."""
    turns, findings, speech = drawn
    for redaction in plan(turns, findings, speech, POLICY):
        echoes = shadows([redaction], speech)
        (other,) = set(BOTH) - {redaction.channel}
        owned = fluent(speech[other], 0.6)
        assert all(each.channel is other and each.entity_type == redaction.entity_type for each in echoes)
        assert not any(each.span.overlaps(said) for each in echoes for said in owned)
        for each in echoes:
            assert redaction.span.start_s <= each.span.start_s < each.span.end_s <= redaction.span.end_s
        quiet_s = sum(each.span.duration_s for each in echoes)
        spoken_s = sum(
            max(min(said.end_s, redaction.span.end_s) - max(said.start_s, redaction.span.start_s), 0.0)
            for said in owned
        )
        assert quiet_s + spoken_s == pytest.approx(redaction.span.duration_s)


@settings(max_examples=100)
@given(judged(), st.sets(st.sampled_from(BOTH)))
def test_on_a_line_with_an_echo_a_value_goes_under_the_other_voice_too(
    drawn: tuple[tuple[Turn, ...], tuple[PiiSpan, ...], dict[Channel, tuple[TimeSpan, ...]]],
    echoing: set[Channel],
) -> None:
    """The time of every word that must go is covered on the other channel if that carries an echo, and on no other."""
    turns, findings, speech = drawn
    heard = Heard((), speech, "en", 60.0, echoing=frozenset(echoing))
    under = under_voices(turns, findings, heard, POLICY)
    assert {each.channel for each in under} <= echoing
    for channel, word in split(turns, findings)[0]:
        hits = [each for each in under if each.span.start_s <= word.span.start_s and each.span.end_s >= word.span.end_s]
        assert {each.channel for each in hits} >= echoing - {channel}


def test_the_shadow_of_what_nobody_understood_leaves_the_edges_of_a_voice() -> None:
    """Where the other side's voice fades in or out, the echo of doubt takes nothing; that of a value takes all."""
    speech = {Channel.AGENT: (span(0.0, 1.0), span(3.0, 4.0)), Channel.CUSTOMER: (span(0.5, 3.5),)}
    doubt = Redaction("UNHEARD", Channel.CUSTOMER, span(0.5, 3.5), Action.TONE, "speech with no words")
    value = replace(doubt, entity_type="PERSON")
    assert [each.span for each in shadows([doubt], speech)] == [span(1.25, 2.75)]
    assert [each.span for each in shadows([value], speech)] == [span(1.0, 3.0)]


def test_a_mono_call_has_no_shadows() -> None:
    """On one channel there is no other one to hear an echo."""
    redaction = Redaction("PERSON", Channel.MIXED, span(1.0, 2.0), Action.TONE, "a name")
    assert shadows([redaction], {Channel.MIXED: (span(0.0, 3.0),)}) == ()


def test_reprs_hold_no_words() -> None:
    """What is planned and what is masked can be logged without a word of the call."""
    turns = (Turn("customer", Channel.CUSTOMER, spoken("Quackenbush", 1.0)),)
    redactions = plan(turns, [found(0, 0, 1)], {Channel.CUSTOMER: ()}, POLICY)
    assert "Quackenbush" not in repr((turns, redactions))
