"""A self-contained HTML page: readable on a phone and a wide window, light or dark; no script, and it loads nothing."""

from __future__ import annotations

import html
import io
import re
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

INK: Final = "#1b1f24"
"""The colour of text, lines and labels of a plot; on the page it follows the colour scheme."""
_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1b1f24; --page: #fff; --soft: #57606a; --line: #d8dbdf; --head: #f5f6f8;
  --met: #116329; --not: #a40e26; --ours: #0969da; --theirs: #8c959f; --link: #0969da; }
@media (prefers-color-scheme: dark) { :root { --ink: #e6e9ed; --page: #14171b; --soft: #a3abb5; --line: #363c44;
  --head: #1f242a; --met: #56d364; --not: #ff7b85; --ours: #58a6ff; --theirs: #7d8590; --link: #79b8ff; } }
body { font: 15px/1.55 system-ui, sans-serif; max-width: 66rem; margin: 2rem auto; padding: 0 1.2rem;
  color: var(--ink); background: var(--page); overflow-wrap: anywhere; }
h1 { font-size: 1.6rem; line-height: 1.25; }
h2 { font-size: 1.2rem; margin-top: 2.4rem; border-bottom: 1px solid var(--line); }
a { color: var(--link); } nav a { margin-right: 1rem; display: inline-block; }
table { border-collapse: collapse; margin: .8rem 0; width: 100%; font-size: 14px; }
td, th { padding: .28rem .6rem; border-bottom: 1px solid var(--line); text-align: left; vertical-align: top; }
th { background: var(--head); white-space: nowrap; } td:not(:first-child):not(:last-child) { white-space: nowrap; }
.met { color: var(--met); } .not { color: var(--not); } .met, .not { font-weight: 600; white-space: nowrap; }
.note, figcaption { color: var(--soft); }
figure { margin: 1.4rem 0; } figcaption { margin-bottom: .6rem; }
svg { max-width: 100%; height: auto; color: var(--ink); } svg text { fill: currentColor; }
.bar { display: inline-block; height: .8em; background: var(--theirs); vertical-align: -.05em; margin-right: .4em; }
.bars td:nth-child(2) .bar { background: var(--ours); } .bars td:first-child { width: 34%; }
.bars td:not(:first-child) { white-space: nowrap; }
.stack { display: flex; height: 1.3rem; margin: .2rem 0; } .stack i { border-right: 1px solid var(--page); }
.chain { margin: 1rem 0; } .chain small span { display: inline-block; margin-right: .9rem; }
.chain small i { display: inline-block; width: .7em; height: .7em; margin-right: .3em; }
@media (min-width: 40rem) { .rows td:first-child { min-width: 12rem; } }
@media (max-width: 40rem) {
  body { margin: 1rem auto; padding: 0 .8rem; }
  .bars { font-size: 12px; } .bars td, .bars th { padding: .28rem .2rem; }
  .rows thead { display: none; }
  .rows, .rows tbody { display: block; }
  .rows tr { display: flex; flex-wrap: wrap; column-gap: 1.1rem; padding: .45rem 0;
    border-bottom: 1px solid var(--line); }
  .rows td { display: block; padding: 0; border: 0; }
  .rows td:first-child, .rows td.wide { flex-basis: 100%; } .rows td:first-child { font-weight: 600; }
  .rows td:empty { display: none; }
  .rows td[data-head]:not(:first-child)::before { content: attr(data-head) " "; color: var(--soft); }
}
"""
_SAFE: Final = "default-src 'none'; style-src 'unsafe-inline'"


class Markup(str):
    """HTML that is put on a page as it is; every other text is escaped."""

    __slots__ = ()


def document(title: str, parts: Iterable[str]) -> str:
    """The page with its heading; ``parts`` are HTML."""
    said = html.escape(title)
    text = "\n".join(
        [
            '<!doctype html><html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{_SAFE}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{said}</title><style>{_STYLE}</style></head><body><h1>{said}</h1>",
            *parts,
            "</body></html>\n",
        ]
    )
    return re.sub(r"(\d) %", r"\1&nbsp;%", text)


def note(text: str) -> str:
    """A paragraph beside the figures."""
    return f'<p class="note">{html.escape(text)}</p>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows that a narrow window breaks up: each value beside its column's name, markup on a line of its own."""
    return _table("rows", head, ([_named(name, cell) for name, cell in zip(head, row, strict=True)] for row in rows))


def _named(name: str, cell: str) -> str:
    wide = ' class="wide"' if isinstance(cell, Markup) else ""
    named = f' data-head="{html.escape(name)}"' if name else ""
    return f"<td{wide}{named}>{_text(cell)}</td>"


def bars(heading: str, columns: Mapping[str, Mapping[str, float]]) -> str:
    """A row for each name with a bar and the percentage in each column; shares are of 1, the largest come first."""
    names = {name: [column.get(name) for column in columns.values()] for column in columns.values() for name in column}
    ordered = sorted(names.items(), key=lambda each: ([-(share or 0.0) for share in each[1]], each[0]))
    rows = [[f"<td>{_breakable(name)}</td>", *map(_bar, row)] for name, row in ordered]
    return _table("bars", [heading, *columns], rows)


def _bar(share: float | None) -> str:
    if share is None:
        return "<td>-</td>"
    said = f"{100 * share:.0f} %" if share in (0, 1) or share >= 0.1 else f"{100 * share:.1f} %"
    drawn = f'<span class="bar" style="width:calc((100% - 3.6em) * {share:.3f})"></span>' if share else ""
    return f"<td>{drawn}{said}</td>" if share else f'<td class="met">{said}</td>'


def _table(kind: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    cells = "".join(f'<th scope="col">{html.escape(cell)}</th>' for cell in head)
    body = "".join("<tr>" + "".join(row) + "</tr>" for row in rows)
    return f'<table class="{kind}"><thead><tr>{cells}</tr></thead><tbody>{body}</tbody></table>'


def _text(cell: str) -> str:
    return cell if isinstance(cell, Markup) else html.escape(cell)


def _breakable(name: str) -> str:
    return html.escape(name).replace("_", "_<wbr>")


def figure(caption: str, drawn: str) -> str:
    """Something drawn, below what it shows."""
    return f"<figure><figcaption>{html.escape(caption)}</figcaption>{drawn}</figure>"


def axes(height_in: float) -> tuple[Any, Any]:
    """A matplotlib figure that can be read on a phone, and its axes."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    inked: Any = dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor", "xtick.color", "ytick.color"), INK)
    with mpl.rc_context({**inked, "axes.facecolor": "none", "font.size": 10, "grid.color": "#8c959f55"}):
        drawn = Figure(figsize=(5.2, height_in), facecolor="none")
        found = drawn.subplots()
    for side in ("top", "right"):
        found.spines[side].set_visible(False)
    return drawn, found


def svg(drawn: Any, said: str) -> str:
    """A matplotlib figure as SVG for a page; ``said`` is what it says to those who do not see it."""
    import matplotlib as mpl

    buffer = io.StringIO()
    with mpl.rc_context({"svg.hashsalt": said, "svg.fonttype": "none"}):
        drawn.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None})
    text = buffer.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", text[text.index("<svg") :], flags=re.DOTALL)
    text = re.sub(r'<g id="[^"]*"', "<g", text).replace(INK, "currentColor")
    return text.replace("<svg", f'<svg role="img" aria-label="{html.escape(said)}"', 1)
