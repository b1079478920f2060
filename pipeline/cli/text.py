"""What the command prints for a person: the same values as ``--json``, as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pipeline.cli.consent_text import consent_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def call_lines(call: Mapping[str, Any]) -> Iterator[str]:
    """A call: the summary, the record or the error."""
    yield f"call        {call['call_id']}"
    yield f"status      {call['status']}"
    if "error" in call:
        yield f"because     {call['error']['message']}"
        return
    if "consent" not in call:
        return
    yield f"duration    {call['duration_s']:.1f} s, channels {', '.join(call['channels']) or 'not listened to'}"
    yield from consent_lines(call)
    for doubt in call.get("doubts", ()):
        yield f"in doubt    {doubt}"
    yield f"redactions  {len(call['redactions'])}"
    for each in call["redactions"]:
        span = f"{each['start_s']:8.2f} - {each['end_s']:8.2f} s"
        yield f"  {span}  {each['channel']:9} {each['entity_type']:16} {each['reason']}"
    for each in call["review"]:
        yield f"  review    {each['start_s']:.2f} - {each['end_s']:.2f} s: {each['reason']}"
    for each in call["artifacts"]:
        yield f"artifact    {each['kind']:15} {each['size_bytes']:>10} bytes  until {each['retain_until'][:10]}"


def erasure_lines(erasure: Mapping[str, Any]) -> Iterator[str]:
    """An erasure, planned or done."""
    done = "erased" if erasure.get("erased") else "to erase"
    yield f"{done}      {len(erasure['calls'])} calls, {erasure['objects']} objects, {erasure['size_bytes']} bytes"
    if erasure["legs"]:
        yield f"  one leg of      {len(erasure['legs'])} calls, of which the rest stays"
    if erasure["as_company"]:
        yield f"  as customer     {erasure['as_customer']} calls"
        yield f"  as the company  {erasure['as_company']} calls, which are their customers' too"
    for kind, count in sorted(erasure["kinds"].items()):
        yield f"  {kind:15} {count}"
    for each in erasure["kept"]:
        yield f"  stays           {each['call_id']}: {each['reason']}"
    if "verified" in erasure:
        tried = erasure["verified"]
        yield f"method      {erasure['method']}"
        before, now = tried["copies_opened_before"], tried["copies_opened_after"]
        yield f"verified    {tried['copies_tried']} copies kept aside: {before} opened before, {now} open now"
        yield f"            {tried['keys_tried']} keys as old copies of the database have them: none opens"
    for each in erasure.get("residual_copies", ()):
        readable = "READABLE with the root key" if each["opens"] else "opens nothing"
        yield f"copy left   {each['kind']} in {each['place_id']}, until {each['expires_at'] or 'not known'}: {readable}"
    if "certificate" in erasure:
        yield f"certificate {', '.join(erasure['certificate']['files'])}"


def doctor_lines(report: Mapping[str, Any]) -> Iterator[str]:
    """Findings about the machine."""
    for each in report["findings"]:
        mark = "ok  " if each["ok"] else ("BAD " if each["needed"] else "note")
        yield f"{mark} {each['name']:14} {each['detail']}"
        if each["hint"]:
            yield f"     {'':14} {each['hint']}"
