"""The scorer: spans, folding, and the figures of DESIGN.md section 5 on calls small enough to reckon by hand."""

from __future__ import annotations

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import accuracy, report, score, stock
from benchmarks.folding import digitised, keys_of, readable, stands_in, tokens

SPANS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 60)).map(lambda pair: (pair[0] / 4, pair[1] / 4)), max_size=8
)


def covered(spans: list[score.Span]) -> set[int]:
    """Quarter seconds inside the spans: an independent model of the interval arithmetic."""
    return {quarter for start, end in spans for quarter in range(int(start * 4), int(end * 4))}


@given(SPANS)
def test_merged_spans_are_sorted_apart_and_cover_the_same(spans: list[score.Span]) -> None:
    """A union is sorted, its spans do not touch, and it covers exactly what went in."""
    out = score.merged(spans)
    assert all(left[1] < right[0] for left, right in itertools.pairwise(out))
    assert covered(out) == covered(spans)
    assert score.merged(out) == out


@given(SPANS, SPANS)
def test_overlap_and_difference_add_up(left: list[score.Span], right: list[score.Span]) -> None:
    """What is shared and what is cut out are together the whole, and both agree with counting."""
    shared, rest = score.overlap_s(left, right), score.without(left, right)
    assert shared == pytest.approx(len(covered(left) & covered(right)) / 4)
    assert covered(rest) == covered(left) - covered(right)
    assert shared + score.length_s(rest) == pytest.approx(score.length_s(left))


def transcript(*turns: tuple[str, str], start_s: float = 0.0) -> dict[str, Any]:
    """A transcript of (channel, text), one word every half second."""
    out = []
    at = start_s
    for channel, text in turns:
        words = [
            {"text": word, "start_s": at + 0.5 * index, "end_s": at + 0.5 * index + 0.4}
            for index, word in enumerate(text.split())
        ]
        out.append({"channel": channel, "text": text, "words": words})
        at += 0.5 * len(words)
    return {"version": 1, "turns": out}


def label(value: str, **more: Any) -> dict[str, Any]:
    """A label on the customer's channel from 1 to 3 s."""
    return {"entity_type": "X", "value": value, "channel": "customer", "start_s": 1.0, "end_s": 3.0} | more


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("4111111111111111", "it's 4111-1111 1111 1111, thanks"),
        ("4111111111111111", "four one one one eleven eleven double one double one eleven eleven"),
        ("Dana Whitfield", "this is dana WHITFIELD'S phone"),
        ("Engström", "Mrs Engstrom called"),
        ("violet.king@example.com", "violet.king@example.com"),
        ("20250", "it is twenty two fifty no two oh two five oh"),
        ("AB-1234", "AB1234"),
    ],
)
def test_value_is_read_however_it_is_written(value: str, text: str) -> None:
    """Grouping, number words, case, accents and punctuation do not hide a value."""
    assert readable(label(value), transcript(("customer", text)))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("4111111111111111", "it's [CREDIT_CARD], and 411 more"),
        ("Ann", "it's an annual fee"),
        ("Dana Whitfield", "Dana is [PERSON]"),
        ("1234", "that is 51234 dollars"),
        ("567890", "56 [PIN] 7890"),
    ],
)
def test_value_is_not_read_into_other_words(value: str, text: str) -> None:
    """Short values must be whole words, and nothing is read across a replacement."""
    assert not readable(label(value), transcript(("customer", text)))


def test_spoken_form_counts_as_the_value() -> None:
    """A date read out is readable although its written form never stands in the transcript."""
    born = label("1952-05-22", spoken="May twenty second, nineteen fifty two")
    assert readable(born, transcript(("agent", "so May 22nd, 1952")))
    assert not readable(born, transcript(("agent", "so May 1952")))


def test_short_values_count_only_near_their_label() -> None:
    """Two digits far away are a coincidence; in place they are a leak."""
    pin = label("42")
    assert readable(pin, transcript(("customer", "it is 42"), start_s=1.0))
    assert not readable(pin, transcript(("customer", "it is 42"), start_s=20.0))


def test_words_are_read_even_if_the_text_was_redacted() -> None:
    """A transcript whose text is clean and whose words still hold the value leaks."""
    turn = {"channel": "customer", "text": "[PERSON]", "words": [{"text": "Whitfield", "start_s": 1.0, "end_s": 1.5}]}
    assert readable(label("Whitfield"), {"turns": [turn]})


@given(st.text(alphabet="0123456789", min_size=4, max_size=16), st.lists(st.integers(1, 5), min_size=1, max_size=6))
def test_every_grouping_of_digits_is_read(digits: str, sizes: list[int]) -> None:
    """However a digit string is cut into words, it is found."""
    parts, at, index = [], 0, 0
    while at < len(digits):
        parts.append(digits[at : at + sizes[index % len(sizes)]])
        at += sizes[index % len(sizes)]
        index += 1
    assert readable(label(digits), transcript(("customer", "so " + " ".join(parts) + " right")))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("forty one eleven", ["41", "11"]),
        ("double oh seven", ["00", "7"]),
        ("twenty, sixth 6th", ["26", "6"]),
        ("thirty fifty", ["30", "50"]),
    ],
)
def test_number_words_become_digits(text: str, expected: list[str]) -> None:
    """Tens, teens, doubles and ordinals, as a person would write them."""
    assert digitised(tokens(text)) == expected


def test_a_label_without_letters_or_digits_has_no_key() -> None:
    """An empty key would be found in everything."""
    assert keys_of({"value": "--", "spoken": ""}) == set()
    assert not stands_in("abc", [])


def truth(**more: Any) -> dict[str, Any]:
    """Ten words of a second each on the customer's channel; a label on the second and third."""
    words = [{"text": "w", "channel": "customer", "start_s": float(i), "end_s": float(i + 1)} for i in range(10)]
    return {"call_id": "t", "channels": ["agent", "customer"], "words": words, "pii": [label("88231907")]} | more


def redaction(start_s: float, end_s: float, channel: str = "customer") -> dict[str, Any]:
    """A redaction as the summary has it."""
    return {"entity_type": "X", "channel": channel, "start_s": start_s, "end_s": end_s}


@pytest.mark.parametrize(
    ("redactions", "uncovered", "leaked"),
    [
        ([], 2.0, True),
        ([redaction(1.0, 3.0)], 0.0, False),
        ([redaction(0.5, 2.0), redaction(1.8, 3.4)], 0.0, False),
        ([redaction(1.1, 3.0)], 0.1, False),
        ([redaction(1.0, 2.0), redaction(2.11, 3.0)], 0.11, True),
        ([redaction(1.0, 3.0, "agent")], 2.0, True),
    ],
)
def test_entity_leaks_when_more_than_a_tenth_is_left(
    redactions: list[dict[str, Any]], uncovered: float, *, leaked: bool
) -> None:
    """Uncovered time counts on the label's own channel, over all redactions together."""
    found = score.score_call(truth(), {"redactions": redactions}, None).entities[0]
    assert found.uncovered_s == pytest.approx(uncovered, abs=1e-9)
    assert found.leaked is leaked


def test_covered_entity_leaks_through_the_transcript() -> None:
    """Perfect audio does not excuse a readable transcript."""
    found = score.score_call(truth(), {"redactions": [redaction(1, 3)]}, transcript(("agent", "it was 8823 1907")))
    assert found.entities[0].leaked
    assert found.entities[0].readable


def test_reheard_looks_at_the_channel_of_the_label() -> None:
    """A value said on the agent's side is that label's matter, not this one's."""
    on_agent = score.score_call(truth(), {}, None, transcript(("agent", "88231907"))).entities[0]
    on_customer = score.score_call(truth(), {}, None, transcript(("customer", "88231907"))).entities[0]
    assert (on_agent.reheard, on_customer.reheard) == (False, True)


def test_over_redaction_counts_speech_outside_labels_only() -> None:
    """A collar over one second of other speech is 1 of 8 s; silence and labels are free."""
    found = score.score_call(
        truth(), {"redactions": [redaction(1, 4), redaction(12, 20), redaction(0, 9, "agent")]}, None
    )
    assert found.other_speech_s == pytest.approx(8.0)
    assert found.over_redacted_s == pytest.approx(1.0)


def test_speech_spans_of_a_real_label_stand_in_for_words() -> None:
    """Real calls are labelled with speech spans instead of words."""
    speech = [{"channel": "agent", "start_s": 0.0, "end_s": 4.0}]
    found = score.score_call(truth(words=[], speech=speech), {"redactions": [redaction(0, 1, "agent")]}, None)
    assert (found.other_speech_s, found.over_redacted_s) == (4.0, 1.0)


NOTICE = {"kind": "notice", "channel": "agent", "start_s": 2.0, "end_s": 5.0}


@pytest.mark.parametrize(
    ("evidence", "found"),
    [
        ([NOTICE], 1),
        ([NOTICE | {"start_s": 1.6, "end_s": 5.4}], 1),
        ([NOTICE | {"start_s": 3.0, "end_s": 4.0}], 1),
        ([NOTICE | {"start_s": 1.4}], 0),
        ([NOTICE | {"end_s": 5.6}], 0),
        ([NOTICE | {"start_s": 5.0, "end_s": 5.4}], 0),
        ([NOTICE | {"channel": "customer"}], 0),
        ([NOTICE | {"kind": "answer"}], 0),
        ([{"kind": "notice", "channel": None, "start_s": None, "end_s": None}], 0),
        ([], 0),
    ],
)
def test_evidence_must_lie_within_half_a_second_of_the_label(evidence: list[dict[str, Any]], found: int) -> None:
    """Same kind, same channel, over the announcement and not far beyond it."""
    result = score.score_consent(
        {"verdict": "implied", "evidence": [NOTICE]}, {"verdict": "implied", "evidence": evidence}
    )
    assert result is not None
    assert result.verdict_right
    assert (result.found, result.right) == (found, found == 1)


def test_wrong_verdict_is_wrong_and_no_label_is_not_scored() -> None:
    """Evidence does not make up for a verdict; a label without one is left out."""
    wrong = score.score_consent({"verdict": "declined"}, {"verdict": "granted"})
    assert wrong is not None
    assert not wrong.right
    assert score.score_consent({"notice": False, "answer": None}, {"verdict": "granted"}) is None


def test_totals_add_up_over_calls_and_kinds() -> None:
    """Counts and shares of two calls, one clean and one bare."""
    clean = score.score_call(
        truth(consent={"verdict": "unknown"}),
        {"redactions": [redaction(1, 3)], "consent": {"verdict": "unknown"}},
        None,
    )
    bare = score.score_call(truth(consent={"verdict": "unknown"}), {"redactions": []}, None)
    figures = score.total([clean, bare]).as_dict()
    assert (figures["entities"], figures["leaked_entities"], figures["leaked_entities_share"]) == (2, 1, 0.5)
    assert (figures["pii_s"], figures["leaked_s"], figures["leaked_s_share"]) == (4.0, 2.0, 0.5)
    assert (figures["verdict_accuracy"], figures["consent_accuracy"], figures["reheard_entities"]) == (0.5, 0.5, None)
    assert figures["by_type"]["X"]["leaked_entities"] == 1
    assert score.total([]).as_dict()["over_redaction"] == 0.0


def test_worst_are_the_longest_leaks() -> None:
    """Clean entities are no leaks, however long."""
    calls = [score.score_call(truth(call_id=str(i)), {"redactions": [redaction(1, 1 + i)]}, None) for i in range(3)]
    assert [(call_id, entity.uncovered_s) for call_id, entity in score.worst(calls)] == [("0", 2.0), ("1", 1.0)]


def test_report_shows_figures_and_never_a_value() -> None:
    """The page is complete, loads nothing, and holds no labelled value."""
    scores = [score.score_call(truth(), {"redactions": []}, transcript(("agent", "88231907")))]
    chain = {
        "totals": score.total(scores).as_dict(),
        "failed": [],
        "worst": [{"call_id": call_id, **entity_fields(entity)} for call_id, entity in score.worst(scores)],
        "calls": [report.call_figures(item) for item in scores],
        "seconds": 2.0,
        "audio_s": 10.0,
    }
    facts = {"made_at": "t", "weights": "base", "seed": 1, "machine": "m", "set": "dev"}
    results = facts | {"chains": {"callseal": chain, "stock": chain}}
    text, page = report.table(results), report.page(results)
    assert "100.0 %" in text
    assert page.count("<svg") == 1
    assert page.count("<link") == page.count("<script") == page.count("<img") == 0
    assert "88231907" not in text + page + repr(scores)


def entity_fields(entity: score.EntityScore) -> dict[str, Any]:
    """An entity's score as the JSON has it."""
    return {name: getattr(entity, name) for name in entity.__dataclass_fields__}


def test_chains_are_compared_on_the_calls_that_both_got_through() -> None:
    """A call that one chain failed on is in neither total, and is listed."""
    done = score.score_call(truth(call_id="a"), {"redactions": []}, None)
    other = score.score_call(truth(call_id="b"), {"redactions": []}, None)
    ours = accuracy.Run((done,), ({"call_id": "b", "exit_code": 1},), 1.0, 2.0)
    figures = accuracy.compared({"callseal": ours, "stock": accuracy.Run((done, other), (), 1.0, 2.0)})
    assert [figures[name]["totals"]["calls"] for name in ("callseal", "stock")] == [1, 1]
    assert figures["callseal"]["failed"] == [{"call_id": "b", "exit_code": 1}]


class ScriptedRecogniser:
    """Gives the same words for every channel."""

    def stock(self, samples: Any, language: str) -> list[list[dict[str, Any]]]:
        """One segment of three words."""
        texts = ("I'm", "Dana", "Whitfield.")
        return [
            [{"text": text, "start_s": 0.2 * i, "end_s": 0.2 * i + 0.1} for i, text in enumerate(texts)],
        ]


class ScriptedEngine:
    """Finds the name, as Presidio reports it."""

    def analyze(self, text: str, language: str) -> list[Any]:
        """One result over both words of the name."""
        start = text.index("Dana")
        return [SimpleNamespace(entity_type="PERSON", start=start, end=start + len("Dana Whitfield"))]


def test_stock_chain_mutes_each_found_word_and_nothing_else() -> None:
    """Two words of a name are two muted spans, with what lies between them left in: that is how it leaks."""
    loud = {"customer": np.ones(stock.RATE_HZ, dtype=np.float32)}
    summary, redacted, muted = stock.redact(loud, ScriptedRecogniser(), ScriptedEngine(), "en")  # type: ignore[arg-type]
    spans = [(item["start_s"], item["end_s"]) for item in summary["redactions"]]
    assert spans == [(0.2, pytest.approx(0.3)), (0.4, 0.5)]
    assert redacted["turns"][0]["text"] == "I'm [PERSON] [PERSON]"
    assert muted["customer"].sum() == pytest.approx(0.8 * stock.RATE_HZ, abs=2)
    assert loud["customer"].min() == 1.0
