"""The readable page of a bundle: takes its data and turns, gives HTML without scripts that needs no network."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

_STYLE: Final = (
    ":root{color-scheme:light dark}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}"
    "table{border-collapse:collapse;width:100%;margin:.8rem 0}"
    "td,th{text-align:left;padding:.2rem .6rem;border-bottom:1px solid #8886;vertical-align:top}"
    "th{width:30%;overflow-wrap:break-word}"
    "section{margin:2rem 0;padding-top:1rem;border-top:2px solid}audio{width:100%}"
)
_TITLES: Final = {
    "controller": "Who keeps it",
    "purposes": "What for",
    "recipients": "Who else has had it",
    "origin": "Where it comes from",
    "automated": "What is decided by a machine",
    "complaint": "Where to complain",
}


def page(data: Mapping[str, Any], turns: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """``index.html`` of a bundle.

    Args:
        data: what ``data.json`` holds.
        turns: the person's turns, by the path of their transcript.
    """
    parts = {each["call_id"]: each for each in data["bundle"]}
    told = data["told"].items()
    body = [
        "<h1>What is held of you</h1>",
        f"<p>Answered on {_day(data['answered_at'])} (all times UTC), request {escape(data['request_id'])}.</p>",
        "<p>Recordings have personal data replaced by a tone; the other side of each call is silent.</p>",
        _table((_TITLES[key], what if isinstance(what, str) else ", ".join(what)) for key, what in told),
        f"<p>Calls: {len(data['calls'])}. The same for a machine: <a href='data.json'>data.json</a>.</p>",
        *(_call(call, parts[call["call_id"]], turns) for call in data["calls"]),
        _history(data),
    ]
    head = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'><title>What is held of you</title>"
        "<meta http-equiv='Content-Security-Policy' content=\"default-src 'none'; style-src 'unsafe-inline'; "
        f"media-src 'self' file:\"><style>{_STYLE}</style></head><body>"
    )
    return head + "\n".join(body) + "</body></html>\n"


def _call(call: Mapping[str, Any], part: Mapping[str, Any], turns: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    consent = call["consent"]
    rows = [
        ("Call", call["call_id"]),
        ("When", _day(call["started_at"] or call["received_at"])),
        ("State", call["status"]),
        ("Consent", f"{consent['verdict']}: {consent['reason']}" if consent else "none on record"),
        *(
            (f"Kept: {each['kind'].replace('_', ' ')}", f"until {_day(each['retain_until'])}: {each['because']}")
            for each in call["artifacts"]
        ),
        *(("Kept longer by", f"{each['kind']} {each['hold_id']}") for each in call["held_by"]),
        *(("Exported", _day(event["at"])) for event in call["history"] if event["what"] == "exported"),
        *(("Left out", why) for why in part["withheld"]),
    ]
    found = [path for path in part["files"] if "/audio." in path]
    named = escape(f"Recording of call {call['call_id']}", quote=True)
    sound = "".join(
        f"<audio controls preload='none' aria-label='{named}' src='{escape(path, quote=True)}'></audio>"
        for path in found
    )
    spoken = [row for path in part["files"] for row in _spoken(turns.get(path, ()))]
    return f"<section>{_table(rows)}{sound}{_table(spoken)}</section>"


def _spoken(turns: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, str]]:
    for turn in turns:
        at = f"{int(turn['start_s']) // 60}:{int(turn['start_s']) % 60:02d}"
        amended = turn.get("amended")
        said = turn["text"]
        yield at, f"{said} [corrected on {_day(amended['at'])}: {amended['text']}]" if amended else said


def _history(data: Mapping[str, Any]) -> str:
    rows = [
        (_day(each["received_at"]), f"{each['right']}: {each['outcome'] or 'open'} {each['reason'] or ''}".strip())
        for each in data["requests"]
    ]
    rows += [(_day(each["requested_at"]), "erasure") for each in data["erasures"]]
    return f"<section><h2>What you asked for</h2>{_table(rows)}</section>"


def _table(rows: Any) -> str:
    cells = "".join(f"<tr><th>{escape(str(name))}</th><td>{escape(str(value))}</td></tr>" for name, value in rows)
    return f"<table>{cells}</table>" if cells else ""


def _day(stamp: str) -> str:
    return escape(stamp[:16].replace("T", " "))
