"""The readable page of a certificate: takes what a certificate says, gives HTML that needs nothing but itself.

The page is for reading; only the JSON file beside it is signed, and the page says so.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_STYLE = (
    ":root{color-scheme:light dark}"
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;overflow-wrap:anywhere}"
    "h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}"
    "table{border-collapse:collapse;width:100%;margin:.8rem 0}"
    "td,th{text-align:left;vertical-align:top;padding:.2rem .8rem .2rem 0;border-bottom:1px solid #8886}"
    "th{overflow-wrap:break-word}code{font-size:.85em}@media print{body{margin:0}}"
    "@media (max-width:40rem){.rows thead{display:none}.rows td{display:block;padding:0;border:0}"
    ".rows tr{display:block;padding:.4rem 0;border-bottom:1px solid #8886}"
    ".rows td::before{content:attr(data-head)': '}}"
)


def page(body: Mapping[str, Any], key_id: str) -> str:
    """The page.

    Args:
        body: what ``certificate.check`` gave.
        key_id: of the key that signed it.
    """
    request, erased, verified = body["request"], body["erased"], body["verification"]
    parts = [
        "<h1>Certificate of erasure</h1>",
        _facts(
            {
                "Certificate": body["certificate_id"],
                "Issued": body["issued_at"],
                "Request received": request["received_at"],
                "Erased and verified": request["finished_at"],
                "Scope": request["scope"],
                "Identity of the person asking": request["identity_check"],
                "Person (commitment)": body["subject"]["commitment"],
            }
        ),
        "<h2>What was erased</h2>",
        (
            f"<p>Calls: {len(erased['calls'])}; calls of which one leg: {len(erased['legs_silenced'])}; "
            f"objects: {len(erased['objects'])}; keys: {len(erased['keys'])}.</p>"
        ),
        _table(("Key", "Destroyed"), ((each["key_id"], each["destroyed_at"]) for each in erased["keys"])),
        _table(
            ("Call", "Kind", "Bytes", "SHA-256 of what it held"),
            ((each["call_id"], each["kind"], each["size_bytes"], each["sha256"]) for each in erased["objects"]),
        ),
        "<h2>How</h2>",
        _facts(body["method"]),
        "<h2>How it was checked</h2>",
        _facts({name.replace("_", " "): value for name, value in verified.items()}),
        "<h2>What was refused</h2>",
        _table(("Call", "Reason"), ((each["call_id"], each["reason"]) for each in body["refused"])),
        "<h2>Copies that are left, and until when</h2>",
        _table(
            ("What", "Where", "Made", "Gone by", "Readable"),
            (
                (r["kind"], r["place_id"], r["taken_at"], r["expires_at"] or "not known", "yes" if r["opens"] else "no")
                for r in body["residual_copies"]
            ),
        ),
        _list("Exported before, into other hands", body["exported_before"]),
        _list("What remains here", body["remains"]),
        (
            f"<p>Signed is the JSON file, by the key <code>{escape(key_id)}</code>. Check it with "
            "<code>callseal certificate verify FILE --public-key FILE</code>, or with any Ed25519 library.</p>"
        ),
    ]
    view = '<meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f'<meta charset="utf-8">{view}<title>Certificate of erasure</title><style>{_STYLE}</style>'
    return f'<!doctype html><html lang="en"><head>{head}</head><body>{"".join(parts)}</body></html>'


def _facts(facts: Mapping[str, Any]) -> str:
    rows = (f"<tr><th>{escape(str(name))}</th><td>{escape(str(value))}</td></tr>" for name, value in facts.items())
    return f"<table>{''.join(rows)}</table>"


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    body = "".join(f"<tr>{''.join(map(_cell, head, row))}</tr>" for row in rows)
    if not body:
        return "<p>None.</p>"
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    return f'<table class="rows"><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table>'


def _cell(name: str, value: Any) -> str:
    return f'<td data-head="{escape(name)}">{escape(str(value))}</td>'


def _list(title: str, values: Iterable[str]) -> str:
    items = "".join(f"<li>{escape(value)}</li>" for value in values)
    return f"<h2>{escape(title)}</h2>" + (f"<ul>{items}</ul>" if items else "<p>None.</p>")
