"""Keys: what was pressed in reply to an offer, or by what the platform says its keys mean. Pure.

Which key it was stays in memory; evidence says only what it meant.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipeline.consent.answers import ANSWER_WITHIN_S
from pipeline.keypresses import is_echo
from pipeline.types import Channel, ConsentSignal, Evidence

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pipeline.consent.phrases import Phrases
    from pipeline.consent.speech import Speech
    from pipeline.metadata import CallMetadata
    from pipeline.tones import Tone
    from pipeline.types import TimeSpan


def keys(
    said: Sequence[Speech], tones: Sequence[Tone], metadata: CallMetadata, phrases: Phrases | None
) -> Iterator[Evidence]:
    """Keys that refuse or consent, by what was offered before they were pressed or by what the platform says."""
    meaning = {
        metadata.consent.key_to_refuse: ConsentSignal.KEY_TO_REFUSE,
        metadata.consent.key_to_consent: ConsentSignal.KEY_TO_CONSENT,
    }
    offers = list(_offers(said, phrases)) if phrases else []
    for tone in tones:
        if not tone.key or tone.channel is Channel.AGENT or is_echo(tone, tones):
            continue
        if tone.key in meaning:
            yield Evidence(meaning[tone.key], "key named by the platform", tone.channel, tone.span)
            continue
        for signal, key, offered, rule in offers:
            if key == tone.key and offered.start_s <= tone.span.start_s <= offered.end_s + ANSWER_WITHIN_S:
                yield Evidence(signal, rule, tone.channel, tone.span)
                break


def _offers(said: Sequence[Speech], phrases: Phrases) -> Iterator[tuple[ConsentSignal, str, TimeSpan, str]]:
    for group, signal in (
        ("key_to_refuse", ConsentSignal.KEY_TO_REFUSE),
        ("key_to_consent", ConsentSignal.KEY_TO_CONSENT),
    ):
        for speech in said:
            for named, match in phrases.find(group, speech.tokens) if speech.by_company else ():
                keys = [phrases.digits.get(token.text) for token in speech.tokens[match.first : match.end]]
                yield from ((signal, key, speech.heard(match), named.name) for key in [k for k in keys if k][:1])
