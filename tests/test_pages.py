"""Every page that is made for people, opened in a real browser, on a phone and on a desktop, light and dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest

from benchmarks import report
from benchmarks.suite import command
from benchmarks.suite import page as suite_page
from pipeline.erasure import page as certificate_page
from pipeline.rights import page as bundle_page
from tests import browser as browsers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.browser import Browser

PHONE_PX, DESKTOP_PX = 400, 1280
LONG: Final = "CA" + "0123456789abcdef" * 4
AT: Final = "2026-11-20T14:03:00Z"


def _benchmarks() -> str:
    committed = command.latest()
    assert committed is not None
    return suite_page.page(command.read(committed))


def _accuracy() -> str:
    kinds = {"US_DRIVER_LICENSE": 0.0, "ABA_ROUTING_NUMBER": 1.0, "PERSON": 0.25}
    by_type = {
        kind: {
            "entities": 4,
            "leaked_entities": round(4 * share),
            "leaked_entities_share": share,
            "leaked_s_share": share,
        }
        for kind, share in kinds.items()
    }
    names = (
        "calls",
        "entities",
        "leaked_entities",
        "audible_entities",
        "readable_entities",
        "reheard_entities",
        "pii_s",
    )
    shares = ("leaked_s", "leaked_entities_share", "leaked_s_share", "over_redaction", "verdict_accuracy")
    totals = dict.fromkeys(names, 12) | dict.fromkeys((*shares, "consent_accuracy"), 0.4) | {"by_type": by_type}
    place = {"channel": "customer", "start_s": 1.0, "end_s": 2.0, "uncovered_s": 1.0, "readable": True, "reheard": None}
    chain = {
        "totals": totals,
        "failed": [],
        "worst": [{"call_id": LONG, "entity_type": "US_DRIVER_LICENSE", **place}],
        "calls": [{"over_redacted_s": 1.0, "other_speech_s": 10.0, "leaked_s": 2.0}],
        "seconds": 2.0,
        "audio_s": 10.0,
    }
    facts = {"made_at": AT, "weights": "base", "seed": 1, "machine": "x86_64, 2 CPUs", "set": "dev"}
    return report.page(facts | {"chains": {"callseal": chain | {"worst": []}, "stock": chain}})


def _certificate() -> str:
    held = {"call_id": LONG, "kind": "redacted_audio", "size_bytes": 1_184_044, "sha256": "a" * 64}
    copy = {"kind": "database", "place_id": LONG, "taken_at": AT, "expires_at": None, "opens": False}
    body = {
        "certificate_id": "b" * 32,
        "issued_at": AT,
        "request": {"received_at": AT, "finished_at": AT, "scope": "whole calls", "identity_check": "callback"},
        "subject": {"commitment": "c" * 64},
        "erased": {
            "calls": [LONG],
            "legs_silenced": [],
            "objects": [held],
            "keys": [{"key_id": "d" * 32, "destroyed_at": AT}],
        },
        "method": {"standard": "NIST SP 800-88 Rev. 2, cryptographic erase, followed by deletion"},
        "verification": {"copies_opened_after": 0},
        "refused": [{"call_id": LONG, "reason": "legal hold"}],
        "residual_copies": [copy],
        "exported_before": [LONG],
        "remains": ["the record of this erasure"],
    }
    return certificate_page.page(body, "e" * 32)


def _bundle() -> str:
    artifact = {"kind": "redacted_audio", "retain_until": AT, "because": "company privacy policy"}
    call = {
        "call_id": LONG,
        "started_at": AT,
        "status": "stored",
        "consent": {"verdict": "implied", "reason": "a notice was given"},
        "artifacts": [artifact],
        "held_by": [],
        "history": [{"at": AT, "what": "exported"}],
    }
    data = {
        "bundle": [{"call_id": LONG, "files": ["audio.wav", "transcript.json"], "withheld": []}],
        "told": {"controller": "the company that recorded the call", "purposes": ["quality", "proof of consent"]},
        "answered_at": AT,
        "request_id": "req-8e4d41eb63c19ee3",
        "calls": [call],
        "requests": [{"received_at": AT, "right": "export", "outcome": None, "reason": None}],
        "erasures": [],
    }
    return bundle_page.page(data, {"transcript.json": [{"start_s": 7.0, "text": "I like rhubarb " + "x" * 90}]})


PAGES: Final = {"benchmarks": _benchmarks, "accuracy": _accuracy, "certificate": _certificate, "bundle": _bundle}

WIDER: Final = """
const inside = document.documentElement.clientWidth;
return [...document.querySelectorAll('body *')].filter(each => each.getBoundingClientRect().right > inside + 0.5)
  .map(each => each.tagName + ' ' + each.textContent.slice(0, 40));
"""
"""Elements that reach beyond the window."""

FAINT: Final = """
const light = ([r, g, b]) => [r, g, b].map(each => each / 255)
  .map(each => each <= 0.04045 ? each / 12.92 : ((each + 0.055) / 1.055) ** 2.4)
  .reduce((sum, each, at) => sum + each * [0.2126, 0.7152, 0.0722][at], 0);
const numbers = text => text.match(/[\\d.]+/g).map(Number);
const canvas = matchMedia('(prefers-color-scheme: dark)').matches ? [18, 18, 18] : [255, 255, 255];
const behind = each => {
  for (let at = each; at; at = at.parentElement) {
    const [r, g, b, alpha] = numbers(getComputedStyle(at).backgroundColor);
    if (alpha !== 0) return [r, g, b];
  }
  return canvas;
};
const said = each => [...each.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
return [...document.querySelectorAll('body *')].filter(said).filter(each => {
  const style = getComputedStyle(each), svg = each.closest('svg');
  const pair = [light(numbers(svg ? style.fill : style.color)), light(behind(each))].sort((a, b) => b - a);
  return (pair[0] + 0.05) / (pair[1] + 0.05) < 4.5;
}).map(each => each.textContent.slice(0, 40));
"""
"""Texts with less contrast to what is behind them than WCAG 2 asks for (4.5)."""

UNREADABLE: Final = """
return [...document.querySelectorAll(arguments[0])].filter(each => {
  each.scrollIntoView({block: 'center'});
  const box = each.getBoundingClientRect();
  const at = document.elementFromPoint(box.left + box.width / 2, box.top + box.height / 2);
  return !(box.width > 0 && box.left >= 0 && box.right <= innerWidth && each.contains(at)
    && parseFloat(getComputedStyle(each).fontSize) >= 12);
}).map(each => each.textContent);
"""
"""Of the elements that a selector finds, those that are outside the window, behind another, or smaller than 12 px."""


@pytest.fixture(scope="module", name="browser")
def _browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    if not (browsers.CHROMIUM and browsers.DRIVER):
        pytest.skip("no browser here: it takes chromium and chromedriver (Debian's chromium and chromium-driver)")
    with browsers.browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_readable_in_a_browser(name: str, browser: Browser, tmp_path: Path, socket_enabled: None) -> None:
    """No complaint on the console, nothing fetched, nothing beyond the window's edge, no faint text."""
    file = tmp_path / "page.html"
    file.write_text(PAGES[name](), encoding="utf-8")
    for width_px, dark in ((PHONE_PX, False), (PHONE_PX, True), (DESKTOP_PX, False), (DESKTOP_PX, True)):
        browser.open(file, width_px, dark=dark)
        assert browser.run("return innerWidth") == width_px
        assert browser.run(WIDER) == []
        assert browser.run(FAINT) == []
        assert browser.console() == []
        assert browser.asked_for() == [file.as_uri()]


def test_the_verdicts_can_be_read_on_a_phone(browser: Browser, tmp_path: Path, socket_enabled: None) -> None:
    """Each target's verdict and each bar's percentage is in the window with nothing over it; every plot has a text."""
    file = tmp_path / "page.html"
    file.write_text(PAGES["benchmarks"](), encoding="utf-8")
    browser.open(file, PHONE_PX)
    for selector in ("td.wide > span", ".bars td"):
        assert browser.run(f"return document.querySelectorAll('{selector}').length") > 10
        assert browser.run(UNREADABLE, selector) == []
    assert browser.run("return [...document.querySelectorAll('svg')].every(each => each.ariaLabel.length > 20)")
