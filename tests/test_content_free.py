"""The guard of the records: ids, counts and reasons pass, what has the shape of something said does not."""

from __future__ import annotations

from typing import Any

import pytest

from pipeline.errors import VerificationFailed
from pipeline.schema import check_content_free

NUMBER = "+12025550143"
CONTENT_FREE = [
    {},
    {"call_id": "4111111111111111", "source_sha256": "1" * 64, "received_at": "2026-11-20T14:03:00.000000Z"},
    {"call_id": "7f3a@pbx.example.com", "call_ids": ["20255501430000"], "object_keys": ["0" * 32]},
    {
        "redactions": [
            {"entity_type": "CREDIT_CARD", "channel": "customer", "start_s": 61.2, "reason": "luhn, 16 digits"}
        ]
    },
    {"kinds": {"transcript": 3}, "words": 812, "lawful": True, "started_at": None},
    {"consent": {"rule": "16 CFR 310.5, 18 U.S.C. 2511(2)(d)"}},
    {"evidence": [{"rule": "notice:ivr:2026-11-20"}], "reason": "2026-11-20 recording: 16 CFR 310.5"},
]
CONTENT = [
    {"text": "hello"},
    {"turns": [{"words": ["hello"]}]},
    {"caller": NUMBER},
    {"name": "x"},
    {"reason": f"call from {NUMBER}"},
    {"reason": "078-05-1120 was said"},
    {"reason": "born 1984-03-07"},
    {"reason": "2026-11-20-0143"},
    {"reason": "4111 1111 1111 1111"},
    {"evidence": [{"rule": "dana@example.com"}]},
    {"reason": "x" * 301},
    {"reason": "two\nlines"},
    {"Dana Whitfield": 1},
    {"blob": b"bytes"},
    {5: "x"},
]


@pytest.mark.parametrize("value", CONTENT_FREE)
def test_ids_counts_and_reasons_pass(value: dict[str, Any]) -> None:
    """What a summary needs is let through."""
    check_content_free(value)


@pytest.mark.parametrize("value", CONTENT)
def test_what_looks_like_content_is_refused(value: dict[Any, Any]) -> None:
    """What has the shape of something said is refused, and the error does not repeat it."""
    with pytest.raises(VerificationFailed) as caught:
        check_content_free(value)
    assert not {word for word in ("hello", "0143", "1120", "4111", "dana", "Dana") if word in str(caught.value)}
