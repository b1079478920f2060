"""What ``show`` and ``process`` say about consent: who was told what, when, and under which rule."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_TELLS: Final = {
    "notice": "told that the call is recorded",
    "request": "asked whether the call may be recorded",
    "yes": "said yes",
    "no": "said no",
    "silence": "did not answer",
    "unclear": "said neither yes nor no",
    "continued": "went on",
    "objection": "objected",
    "confirmation": "said that the recording has stopped",
    "key_to_consent": "pressed the key to consent",
    "key_to_refuse": "pressed the key to refuse",
    "beep": "recorder's beep",
    "notice_outside": "platform: a notice was given before the recording",
    "no_notice_outside": "platform: no notice was given",
    "consent_outside": "platform: consent was given before",
    "consent_outdated": "platform: consent was given before the privacy policy changed, and no longer counts",
    "refusal_outside": "platform: the caller has refused",
    "withdrawal": "the caller had withdrawn consent",
}


def consent_lines(call: Mapping[str, Any]) -> Iterator[str]:
    """The decision of a call, its evidence in order of time, and every purpose."""
    consent = call["consent"]
    lawful = "lawful" if consent["lawful"] else "not lawful"
    yield f"consent     {consent['verdict']}, {lawful} under {consent['rule']}"
    yield f"  because   {consent['reason']}"
    privacy = f", privacy policy {consent['privacy_policy']}" if consent.get("privacy_policy") else ""
    yield f"  by        rules {consent['policy_version']}{privacy}, decided {consent['decided_at']}"
    words = {(each["signal"], each["start_s"]): each["said"] for each in call.get("consent_words", ())}
    shown = [*consent["evidence"], *consent.get("observed", ())]
    for each in sorted(shown, key=lambda one: one.get("start_s", 0.0)):
        said = words.get((each.get("signal"), each.get("start_s")))
        yield f"  {_when(each, call.get('started_at'))}{_who(each)}{_what(each, said)}{_sure(each)}"
    if "consent_record" in call:
        yield f"  words     the sealed record of what was said {call['consent_record']}"
    by_verdict: dict[str, list[str]] = defaultdict(list)
    for purpose, decision in consent.get("purposes", {}).items():
        allowed = "" if decision["lawful"] else ", not lawful"
        by_verdict[f"{decision['verdict']}{allowed}"].append(purpose)
    for verdict, purposes in by_verdict.items():
        yield f"  for       {', '.join(purposes)}: {verdict}"
    if "withdrawn_at" in consent:
        yield f"  withdrawn {consent['withdrawn_at']}; what was done before stays lawful"


def _when(evidence: Mapping[str, Any], started_at: str | None) -> str:
    if "start_s" not in evidence:
        return "before    "
    at = f"{int(evidence['start_s']) // 60:02d}:{evidence['start_s'] % 60:04.1f}"
    if started_at is None:
        return f"{at:10}"
    moment = datetime.fromisoformat(started_at) + timedelta(seconds=evidence["start_s"])
    return f"{at:9} {moment:%H:%M:%SZ} "


def _who(evidence: Mapping[str, Any]) -> str:
    return f"{evidence.get('speaker') or evidence['channel']:9} " if "channel" in evidence else ""


def _what(evidence: Mapping[str, Any], words: str | None) -> str:
    tells = _TELLS.get(evidence.get("signal", ""), evidence["kind"])
    named = f" ({', '.join(evidence['purposes'])})" if evidence.get("purposes") else ""
    said = f': "{words}"' if words else ""
    version = f", version {evidence['version']}" if "version" in evidence else ""
    at = f", {evidence['at']}" if "at" in evidence else ""
    return f"{tells}{named}{version}{at}{said}"


def _sure(evidence: Mapping[str, Any]) -> str:
    sure = f", {evidence['confidence']:.0%} sure" if "confidence" in evidence else ""
    return f"  [{evidence['rule']}{sure}]"
