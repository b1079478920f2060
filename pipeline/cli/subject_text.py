"""What ``callseal subject`` prints for a person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def request_lines(value: Mapping[str, Any]) -> Iterator[str]:
    """One request, and what was done for it."""
    yield from _request(value["request"])
    for key in ("restriction", "lifted", "amendment_id", "folder"):
        if value.get(key):
            yield f"  {key:12}{value[key]}"
    for work, count in value.get("carried_out", {}).items():
        yield f"  then        {work} of {count}"


def withdrawal_lines(value: Mapping[str, Any]) -> Iterator[str]:
    """A withdrawal, and what became of stored calls."""
    yield f"withdrawn   {', '.join(value['purposes'])}, asked for by {value['channel']} at {value['requested_at']}"
    yield f"  stored    {len(value['calls'])} calls: {value['stored']}; what was done before stays lawful"
    if value["calls_on_hold"]:
        yield f"  on hold   {len(value['calls_on_hold'])} calls, taken up when the hold is released"


def requests_lines(value: Mapping[str, Any]) -> Iterator[str]:
    """The register."""
    for each in value["requests"]:
        yield from _request(each)


def access_lines(value: Mapping[str, Any]) -> Iterator[str]:
    """What is held of a caller, and why."""
    yield from _request(value["request"])
    for key, told in value["told"].items():
        yield f"{key:12}{told if isinstance(told, str) else ', '.join(told)}"
    yield f"calls       {len(value['calls'])}"
    for call in value["calls"]:
        yield from _call(call)
    for each in value["erasures"]:
        yield f"erasure     asked {each['requested_at'][:10]}, done {(each['finished_at'] or 'not yet')[:10]}"


def _call(call: Mapping[str, Any]) -> Iterator[str]:
    when = call["started_at"] or call["received_at"]
    length = "unknown length" if call["duration_s"] is None else f"{call['duration_s']:.0f} s"
    yield f"  {call['call_id']}  {when[:16].replace('T', ' ')}, {length}, {call['status']}"
    if call["consent"]:
        consent = call["consent"]
        lawful = "lawful" if consent["lawful"] else "not lawful"
        yield f"    consent   {consent['verdict']}, {lawful} under {consent['rule']}: {consent['reason']}"
    for each in call["artifacts"]:
        size, until = f"{each['size_bytes']:>10} bytes", each["retain_until"][:10]
        yield f"    {each['kind']:15} {size}, until {until}: {each['because']}"
    for each in call["held_by"]:
        yield f"    kept by   {each['kind']} {each['hold_id']}, to be reviewed by {each['review_at'][:10]}"
    for each in call["history"]:
        yield f"    {each['at'][:10]}  {each['what']}"


def _request(each: Mapping[str, Any]) -> Iterator[str]:
    state = each["outcome"] or ("OVERDUE" if each.get("overdue") else "open")
    yield f"{each['request_id']}  {each['right']}, {state}, received {each['received_at'][:10]} under {each['law']}"
    if each["outcome"] is None:
        late = " (extended)" if each["extension_reason"] else ""
        yield f"  due         {each['due_at'][:10]}{late}, identity {each['identity'] or 'not verified'}"
    if each["reason"]:
        yield f"  because     {each['reason']}"
