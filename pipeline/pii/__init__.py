"""Finding personal data in a conversation.

Takes: turns, a model of named entities, one that reads the talk, values known beforehand, and the policy. Gives: spans
of whole words, merged. Promises: what is asked for, announced, repeated, spelled or known is found across turns and
channels; a number that nothing explains is taken for PII; nothing here logs, raises or shows a word of the call.

    lines      turns as folded, typed tokens         dialogue   what is asked for, and until when
    segments   what is said in reply             coded      codes and figures that were asked for
    numbers    runs of digits, their label           asked      which runs and dates are PII
    quantity   prices, times, counts: not PII        answers    names, addresses, passwords asked for
    doubts     garbled: told by place and sound       replies  answers that no rule took
    edges      letters misheard around a value
    partly     the rest of a value of which a part was heard
    placed     names told by what stands around them
    volunteered  secrets, towns and expiries told in passing
    names      introduced, addressed, modelled       places, mail   addresses on the street and on the net
    repeats    said again, read back, alike          known      given in the metadata
    tagged     told by the talk around it, by a model that read the whole of it
"""

from __future__ import annotations

from pipeline.pii.detect import PiiRecognizer, TextEntity, detect
from pipeline.pii.policy import RedactionPolicy, load_policy
from pipeline.pii.tagged import Tagger, WordTag

__all__ = ["PiiRecognizer", "RedactionPolicy", "Tagger", "TextEntity", "WordTag", "detect", "load_policy"]
