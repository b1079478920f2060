"""What tones mean for a call: redactions on every channel, marks in the transcript, evidence of recording."""

from __future__ import annotations

import pytest

from pipeline.keypresses import APART_S, COLLAR_S, beeps, between_keys, echoes, marked, pressed
from pipeline.pii import load_policy
from pipeline.pii.policy import EntityRule
from pipeline.tones import Tone, ToneKind
from pipeline.types import Action, Channel, EvidenceKind, Redaction, TimeSpan, Turn
from tests.factories import span, turn, word

POLICY = load_policy()
BOTH = (Channel.AGENT, Channel.CUSTOMER)


def tone(
    start_s: float,
    end_s: float,
    channel: Channel = Channel.CUSTOMER,
    kind: ToneKind = ToneKind.KEY,
    level_db: float = -12.0,
) -> Tone:
    """A tone; a key is the nine."""
    return Tone(channel, TimeSpan(start_s, end_s), kind, level_db, "9" if kind is ToneKind.KEY else "")


def dtmf(start_s: float, end_s: float, channel: Channel = Channel.CUSTOMER) -> Redaction:
    """A redaction of keys."""
    return Redaction("DTMF", channel, span(start_s, end_s), Action.SILENCE, "keys pressed")


def test_keys_in_a_row_are_one_redaction() -> None:
    """Neighbouring keys of a channel become one redaction with a collar; others stand alone."""
    tones = [tone(1.0, 1.1), tone(1.3, 1.4), tone(1.4 + APART_S + 0.2, 2.5), tone(1.2, 1.3, Channel.AGENT)]
    found = pressed(tones, POLICY)
    assert [(each.channel, each.span.start_s, each.span.end_s) for each in found] == [
        (Channel.CUSTOMER, 1.0 - COLLAR_S, 1.4 + COLLAR_S),
        (Channel.AGENT, 1.2 - COLLAR_S, 1.3 + COLLAR_S),
        (Channel.CUSTOMER, 1.4 + APART_S + 0.2 - COLLAR_S, 2.5 + COLLAR_S),
    ]
    assert {(each.entity_type, each.action) for each in found} == {("DTMF", POLICY.rule("DTMF").action)}


def test_a_key_at_the_start() -> None:
    """A collar does not reach before the recording."""
    assert pressed([tone(0.0, 0.1)], POLICY)[0].span.start_s == 0.0


def test_beeps_are_not_redacted() -> None:
    """A recorder's beep is nobody's secret."""
    assert pressed([tone(1.0, 1.5, kind=ToneKind.BEEP)], POLICY) == ()


def test_the_policy_may_keep_keys() -> None:
    """A policy that keeps DTMF has no redactions of keys."""
    kept = EntityRule(threshold=0.3, replacement="[DTMF]", redact=False)
    policy = POLICY.model_copy(update={"entities": {**POLICY.entities, "DTMF": kept}})
    assert pressed([tone(1.0, 1.1)], policy) == ()


def test_the_time_of_keys_goes_on_both_channels() -> None:
    """The other channel loses the same time, whatever is heard there; a mixed recording has no other channel."""
    keys = (dtmf(1.0, 2.0),)
    (echo,) = echoes((), keys, BOTH, POLICY)
    assert (echo.channel, echo.span, echo.entity_type) == (Channel.AGENT, keys[0].span, "DTMF")
    assert echoes((), (dtmf(1.0, 2.0, Channel.MIXED),), (Channel.MIXED,), POLICY) == ()


@pytest.mark.parametrize("late_s", [0.0, 0.3])
def test_an_echo_was_not_pressed(late_s: float) -> None:
    """The same key, weaker and a little later on the other channel, is its echo, and is covered to its end."""
    tones = [tone(1.0, 1.2), tone(1.0 + late_s, 1.2 + late_s, Channel.AGENT, level_db=-40.0)]
    keys = pressed(tones, POLICY)
    assert [each.channel for each in keys] == [Channel.CUSTOMER]
    (echo,) = echoes(tones, keys, BOTH, POLICY)
    assert (echo.channel, echo.reason) == (Channel.AGENT, "echo of keys pressed")
    assert (echo.span.start_s, echo.span.end_s) == (1.0 - COLLAR_S, 1.2 + late_s + COLLAR_S)


@pytest.mark.parametrize(("at_s", "level_db"), [(1.0, -14.0), (3.0, -40.0)])
def test_pressed_by_both(at_s: float, level_db: float) -> None:
    """The same key as loud, or at another time, was pressed there; nothing is redacted twice."""
    tones = [tone(1.0, 1.2), tone(at_s, at_s + 0.2, Channel.AGENT, level_db=level_db)]
    keys = pressed(tones, POLICY)
    assert {each.channel for each in keys} == set(BOTH)
    found = [*keys, *echoes(tones, keys, BOTH, POLICY)]
    assert not any(a.channel is b.channel and a.span.overlaps(b.span) for a in found for b in found if a is not b)


def test_no_reason_names_a_key() -> None:
    """Redactions and evidence hold no key."""
    found = pressed([tone(1.0, 1.1)], POLICY)
    assert not any("9" in each.reason for each in (*found, *echoes((), found, BOTH, POLICY)))


def test_keys_are_no_speech() -> None:
    """Where keys were pressed nothing was said: the rest of a stretch of speech stays, on this channel only."""
    speech = {Channel.CUSTOMER: (span(0.0, 1.0), span(2.0, 6.0)), Channel.AGENT: (span(2.0, 6.0),)}
    left = between_keys(speech, (dtmf(2.5, 3.0), dtmf(5.0, 7.0)))
    assert left == {
        Channel.CUSTOMER: (span(0.0, 1.0), span(2.0, 2.5), span(3.0, 5.0)),
        Channel.AGENT: (span(2.0, 6.0),),
    }
    assert between_keys({Channel.CUSTOMER: (span(2.6, 2.9),)}, (dtmf(2.5, 3.0),)) == {Channel.CUSTOMER: ()}


def test_a_mark_within_a_turn() -> None:
    """What a recogniser made of tones is gone from the turn, and one mark stands in its place."""
    said = turn("it is beep beep okay")
    beeps_at = span(said.words[2].span.start_s, said.words[3].span.end_s)
    (after,) = marked([said], [dtmf(beeps_at.start_s, beeps_at.end_s)], POLICY)
    assert after.text == "it is [DTMF] okay"
    assert after.words[2].span == beeps_at


def test_a_mark_between_turns() -> None:
    """Keys in silence are a turn of their own, of whoever speaks next to them on that channel."""
    turns = [turn("enter it now", 0.0, Channel.AGENT), turn("done", 9.0)]
    after = marked(turns, [dtmf(5.0, 7.0)], POLICY)
    assert [(each.speaker, each.text) for each in after] == [
        ("agent", "enter it now"),
        ("customer", "[DTMF]"),
        ("customer", "done"),
    ]


def test_a_turn_of_nothing_but_tones() -> None:
    """A turn that was heard in tones only is replaced; on a channel without a voice its name stands for the speaker."""
    only = turn("boo", 5.0)
    (after,) = marked([only], [dtmf(4.9, 7.0)], POLICY)
    assert (after.speaker, after.text) == ("customer", "[DTMF]")
    (alone,) = marked([], [dtmf(4.9, 7.0)], POLICY)
    assert (alone.speaker, alone.channel, alone.text) == ("customer", Channel.CUSTOMER, "[DTMF]")


def test_other_channels_keep_their_words() -> None:
    """Words of the other side that fall into the keys' time stay."""
    words = turn("one moment please", 5.0, Channel.AGENT)
    assert words in marked([words], [dtmf(4.0, 8.0)], POLICY)


def test_nothing_pressed() -> None:
    """Without keys the turns are as they were."""
    said = (turn("hello", 0.0), turn("world", 2.0))
    assert marked(said, (), POLICY) == said


@pytest.mark.parametrize(
    ("starts_s", "counted"), [((3.0, 17.0, 31.5), 3), ((3.0,), 0), ((3.0, 5.0), 0), ((3.0, 90.0), 0)]
)
def test_only_regular_beeps_count(starts_s: tuple[float, ...], counted: int) -> None:
    """Beeps at a recorder's interval are evidence; one alone, two at once and two far apart are not."""
    tones = [tone(at_s, at_s + 0.5, Channel.AGENT, ToneKind.BEEP) for at_s in starts_s]
    evidence = beeps([*tones, tone(15.0, 15.1), tone(17.5, 18.0, Channel.CUSTOMER, ToneKind.BEEP)])
    assert [each.span.start_s for each in evidence if each.span] == list(starts_s[:counted])
    assert {(each.kind, each.channel) for each in evidence} <= {(EvidenceKind.TONE, Channel.AGENT)}


def test_words_beside_keys_stay() -> None:
    """A word that only touches the keys is kept."""
    beside = word("okay", 0.5, 1.2)
    after = marked([Turn("customer", Channel.CUSTOMER, (beside,))], [dtmf(1.1, 1.5)], POLICY)
    assert [each.text for each in after] == ["okay", "[DTMF]"]
