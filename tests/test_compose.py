"""The compose file of the documentation against the code: no container runs here, but what it says must make sense."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import typer.main
import yaml

from pipeline.cli import app
from pipeline.config import load_settings

FILE = Path(__file__).parents[1] / "docs" / "compose.yaml"
INVENTED = "invented"


@pytest.fixture(name="services")
def _services() -> dict[str, Any]:
    services: dict[str, Any] = yaml.safe_load(re.sub(r"\$\{\w+\}", INVENTED, FILE.read_text()))["services"]
    return services


@pytest.mark.parametrize("name", ["serve", "worker"])
def test_settings_and_commands_are_ours(services: dict[str, Any], name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every setting is known and makes sense, keys and records are apart, and the command is there."""
    service = services[name]
    for key, value in service["environment"].items():
        monkeypatch.setenv(key, value)
    settings = load_settings()
    assert (settings.store.kind, settings.store.bucket) == ("s3", "calls")
    assert settings.database_url != settings.keyside_url
    assert settings.jobs_url == settings.database_url
    commands = typer.main.get_command(app)
    assert service["command"].split() == ["callseal", name]
    assert name in commands.list_commands(None)  # type: ignore[attr-defined]
    assert set(service["depends_on"]) < set(services)


def test_what_the_settings_name_is_served(services: dict[str, Any]) -> None:
    """Hosts of the URLs are services or names that the proxy answers to, and the bucket is made."""
    told = services["serve"]["environment"]
    assert "@postgres/" in told["CALLSEAL_DATABASE__URL"]
    assert "@keyside/" in told["CALLSEAL_KEYS__SHARES"]
    host = told["CALLSEAL_STORE__ENDPOINT"].removeprefix("https://")
    assert host in services["tls"]["networks"]["default"]["aliases"]
    assert f"{host} {{" in yaml.safe_load(FILE.read_text())["configs"]["proxy"]["content"]
    assert f"/data/{told['CALLSEAL_STORE__BUCKET']} " in services["s3"]["command"][0]
