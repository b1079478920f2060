"""A real browser over WebDriver: opens a file of this machine as a phone or a desktop would, and tells what it saw."""

from __future__ import annotations

import base64
import json
import re
import shutil
import subprocess
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import httpx

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

CHROMIUM: Final = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER: Final = shutil.which("chromedriver")
_FLAGS: Final = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP * ~NOTFOUND"),
)


_ASKED: Final = "Network.requestWillBeSent"


@dataclass(frozen=True, slots=True)
class Browser:
    """One session."""

    driver: httpx.Client
    session: str

    def open(self, path: Path, width_px: int, *, dark: bool = False) -> None:
        """Shows a file in a window of that width, as a phone does if it is below 600 px."""
        size = {"width": width_px, "height": 900, "deviceScaleFactor": 1, "mobile": width_px < 600}
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]
        self._tell("Emulation.setDeviceMetricsOverride", size)
        self._tell("Emulation.setEmulatedMedia", {"features": scheme})
        self.console()
        self.asked_for()
        self._post("url", {"url": path.as_uri()})

    def run(self, script: str, *arguments: str) -> Any:
        """What a function of this body returns within the page."""
        return self._post("execute/sync", {"script": script, "args": list(arguments)})

    def console(self) -> list[str]:
        """What was logged since a file was opened, or since the last look."""
        return [each["message"] for each in self._post("se/log", {"type": "browser"})]

    def asked_for(self) -> list[str]:
        """Every address requested since then, met or not; not what the browser has within itself."""
        events = [json.loads(each["message"])["message"] for each in self._post("se/log", {"type": "performance"})]
        addresses = [each["params"]["request"]["url"] for each in events if each["method"] == _ASKED]
        return [each for each in addresses if not each.startswith(("chrome:", "data:"))]

    def screenshot(self) -> bytes:
        """PNG of the whole page."""
        found = self._tell("Page.captureScreenshot", {"captureBeyondViewport": True})
        return base64.b64decode(found["data"])

    def _tell(self, command: str, parameters: dict[str, Any]) -> Any:
        return self._post("goog/cdp/execute", {"cmd": command, "params": parameters})

    def _post(self, path: str, body: dict[str, Any]) -> Any:
        answer = self.driver.post(f"{self.session}/{path}", json=body).json()["value"]
        assert not (isinstance(answer, dict) and "error" in answer), answer
        return answer


@contextmanager
def browser(folder: Path) -> Iterator[Browser]:
    """A browser with a profile of its own below the folder; it finds no host."""
    assert CHROMIUM is not None
    assert DRIVER is not None
    options = {"binary": CHROMIUM, "args": [*_FLAGS, f"--user-data-dir={folder / 'profile'}"]}
    wanted = {"goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL", "performance": "ALL"}}
    with subprocess.Popen([DRIVER, "--port=0"], stdout=subprocess.PIPE, text=True) as driver:
        try:
            assert driver.stdout is not None
            started = (re.search(r"started successfully on port (\d+)", line) for line in driver.stdout)
            port = next(found[1] for found in started if found)
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60, trust_env=False) as client:
                asked = {"capabilities": {"alwaysMatch": wanted}}
                session = client.post("session", json=asked).json()["value"]["sessionId"]
                try:
                    yield Browser(client, f"session/{session}")
                finally:
                    client.delete(f"session/{session}").raise_for_status()
        finally:
            driver.terminate()
