"""What others rely on (DESIGN.md section 4): commands, exit codes, the summary, documented settings."""

from __future__ import annotations

import json
import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import typer.main

from pipeline import cli
from pipeline.config import Settings, shipped_configs
from pipeline.keys.file import KeyFile
from tests import scripted
from tests.product import SCRIPTED, Done, run

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pydantic import BaseModel

pytest_plugins = ("tests.real",)

ROOT = Path(__file__).parents[1]
COMMANDS = {"process", "show", "export", "delete", "certificate", "hold", "retention", "subject", "keys"}
COMMANDS |= {"serve", "token", "worker", "jobs", "reprocess", "backup", "restore", "audit", "models", "store", "doctor"}
COMMANDS |= {"watch", "intake", "incident", "bench", "live", "manifest"}
ARTIFACTS = {"redacted_audio", "transcript", "consent_record", "manifest"}
APP = typer.main.get_command(cli.app)
STAGES = {"intake", "decode", "transcribe", "diarize", "detect", "consent", "redact", "verify", "seal"}


@pytest.fixture(name="held", scope="module")
def _held(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A data folder with a stored and a quarantined call, and the summary of the stored one."""
    folder = tmp_path_factory.mktemp("contract")
    (folder / "call.wav").write_bytes(scripted.recording())
    summaries = []
    for changed in ({}, {"call_id": "CA-unlawful", "caller": "+12025550199", "jurisdictions": ["DE"]}):
        (folder / "call.json").write_bytes(scripted.metadata(**changed))
        done = _process(folder / "call.wav", folder / "call.json", folder / "data")
        assert done.code == 0, done.err
        summaries.append(done.json)
    return folder / "data", summaries[0]


def _process(recording: Path, metadata: Path, data_dir: Path) -> Done:
    return run("process", recording, "--metadata", metadata, "--json", "--data-dir", data_dir, program=SCRIPTED)


def _commands(group: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every command of the application with its full name."""
    for name, command in getattr(group, "commands", {}).items():
        full = f"{path} {name}".strip()
        nested = dict(_commands(command, full))
        yield from nested.items() if nested else ((full, command),)


def test_every_promised_command_is_there() -> None:
    """The commands exist, and nothing else that the page does not know."""
    assert {name.split()[0] for name, _ in _commands(APP)} == COMMANDS


@pytest.mark.parametrize(("name", "command"), list(_commands(APP)))
def test_every_command_takes_the_common_options(name: str, command: Any) -> None:
    """Each command says what it does and takes --json; each that touches data takes --data-dir."""
    options = {option for parameter in command.params for option in parameter.opts}
    assert "--json" in options
    assert "--data-dir" in options
    assert command.help


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_the_readme_names_every_command(name: str) -> None:
    """A reader of the front page meets every command."""
    assert f"callseal {name}" in (ROOT / "README.md").read_text(encoding="utf-8")


def _keys(model: type[BaseModel], table: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        nested = field.annotation
        if isinstance(nested, type) and hasattr(nested, "model_fields"):
            yield from _keys(nested, name)
        elif table:
            yield table, name


@pytest.mark.parametrize(("table", "key"), list(_keys(Settings)))
def test_every_setting_is_documented(table: str, key: str) -> None:
    """Each setting stands once in default.toml, in its table, with a comment on its line or above it."""
    text = (shipped_configs() / "default.toml").read_text(encoding="utf-8")
    lines = re.split(rf"^\[{table}\].*\n", text, flags=re.MULTILINE)[1].split("\n[")[0].splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(f"{key} ="))
    assert "#" in lines[at] or lines[at - 1].startswith("#")


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (0, ["show", "CA-scripted"]),
        (0, ["show", "CA-unlawful"]),
        (0, ["export", "CA-scripted", "--to", "{tmp}/out"]),
        (0, ["delete", "--caller", scripted.CALLER, "--dry-run"]),
        (0, ["doctor"]),
        (1, ["process", "{tmp}/call.wav", "--config", "{tmp}/no-models.toml"]),
        (2, ["process"]),
        (2, ["process", "{tmp}/call.wav", "--leg", "agent={tmp}/call.wav"]),
        (2, ["process", "--leg", "boss={tmp}/call.wav"]),
        (2, ["process", "{tmp}/missing.wav"]),
        (2, ["process", "{tmp}/call.wav", "--metadata", "{tmp}/missing.json"]),
        (2, ["process", "{tmp}/call.wav", "--no-such-option"]),
        (2, ["export", "CA-scripted"]),
        (2, ["no-such-command"]),
        (2, ["delete", "--caller", "nobody"]),
        (2, ["delete", "--caller", "anonymous"]),
        (2, ["delete", "--caller", scripted.CALLER]),
        (2, ["show", "CA-scripted", "--config", "{tmp}/missing.toml"]),
        (3, ["process", "{tmp}/call.json"]),
        (3, ["process", "{tmp}/call.wav", "--metadata", "{tmp}/call.wav"]),
        (4, ["export", "CA-unlawful", "--to", "{tmp}/out"]),
        (5, ["show", "CA-nobody"]),
        (5, ["export", "CA-nobody", "--to", "{tmp}/out"]),
        (5, ["delete", "--caller", "+12025550111", "--yes"]),
        (6, ["export", "CA-scripted", "--to", "{tmp}/out", "--config", "{tmp}/other-key.toml"]),
        (10, ["show", "CA-scripted", "--data-dir", "{tmp}/call.json/data"]),
        (10, ["export", "CA-scripted", "--to", "{tmp}/call.json/out"]),
    ],
)
def test_exit_codes(held: tuple[Path, Any], tmp_path: Path, code: int, arguments: list[str]) -> None:
    """Each way to end has its code, one JSON object on stdout, and one line on stderr unless all is well."""
    data_dir = shutil.copytree(held[0], tmp_path / "data")
    (tmp_path / "call.wav").write_bytes(scripted.recording(mono=True))
    (tmp_path / "call.json").write_bytes(scripted.metadata())
    (tmp_path / "empty").mkdir()
    (tmp_path / "no-models.toml").write_text(f'models_dir = "{tmp_path}/empty"\n')
    KeyFile.create(tmp_path / "other.json")
    (tmp_path / "other-key.toml").write_text(f'[keys]\nfile = "{tmp_path}/other.json"\n')
    given = [each.format(tmp=tmp_path) for each in arguments]
    if "--data-dir" not in given:
        given += ["--data-dir", str(data_dir)]
    done = run(*given, "--json")
    assert (done.code, len(done.err.splitlines())) == (code, 1 if code else 0), done.err
    assert isinstance(done.json, dict)
    if code:
        assert (done.json["error"]["exit_code"], done.json["error"]["retryable"]) == (code, code == 10)
        assert done.err.startswith("callseal: ")
        assert done.json["error"]["message"] in done.err


def test_the_summary(held: tuple[Path, Any]) -> None:
    """The summary has every key of the contract, each of the right type."""
    summary = held[1]
    assert summary["call_id"] == "CA-scripted"
    assert summary["status"] == "stored"
    assert summary["duration_s"] == pytest.approx(scripted.DURATION_S)
    assert summary["channels"] == ["agent", "customer"]
    consent = summary["consent"]
    assert (consent["verdict"], consent["lawful"], consent["rule"]) == ("implied", True, "US-CA all-party")
    assert consent["policy_version"]
    assert [each["kind"] for each in consent["evidence"]] == ["notice"]
    assert {each["entity_type"] for each in summary["redactions"]} >= {"PERSON", "CREDIT_CARD", "EMAIL_ADDRESS"}
    for each in (*summary["redactions"], *consent["evidence"]):
        assert each["channel"] in summary["channels"]
        assert 0 <= each["start_s"] < each["end_s"] <= summary["duration_s"]
    assert all(each["reason"] for each in (*summary["redactions"], *summary["review"]))
    assert {each["kind"] for each in summary["artifacts"]} == ARTIFACTS
    for each in summary["artifacts"]:
        assert len(bytes.fromhex(each["sha256"])) == 32
        assert each["size_bytes"] > 0
        assert datetime.fromisoformat(each["retain_until"]).tzinfo
    assert summary["timings_s"].keys() == STAGES
    assert all(isinstance(seconds, float) for seconds in summary["timings_s"].values())


def test_show_repeats_the_summary(held: tuple[Path, Any]) -> None:
    """What process printed is what show knows later, and the history is with it."""
    data_dir, summary = held
    shown = run("show", "CA-scripted", "--json", "--data-dir", data_dir).json
    for held_as in (shown, summary := dict(summary)):
        held_as["artifacts"] = sorted(held_as["artifacts"], key=lambda artifact: artifact["kind"])
    assert {key: shown[key] for key in summary} == summary
    assert [each["what"] for each in shown["history"]][:2] == ["begun", "finished"]


def test_an_unlawful_call_is_a_result(held: tuple[Path, Any]) -> None:
    """A call without consent ends well, quarantined, with its redactions and without a recording that may leave."""
    shown = run("show", "CA-unlawful", "--json", "--data-dir", held[0]).json
    assert (shown["status"], shown["consent"]["lawful"]) == ("quarantined", False)
    assert shown["redactions"]
    assert {each["kind"] for each in shown["artifacts"]} == {"intake", "consent_record", "manifest"}


def test_the_environment_names_the_data_folder(held: tuple[Path, Any]) -> None:
    """CALLSEAL_DATA_DIR stands in for --data-dir, which comes before it."""
    by_environment = run("show", "CA-scripted", "--json", CALLSEAL_DATA_DIR=str(held[0]))
    assert by_environment.json["call_id"] == "CA-scripted"
    elsewhere = run("show", "CA-scripted", "--json", "--data-dir", held[0], CALLSEAL_DATA_DIR="/nowhere")
    assert elsewhere.json["call_id"] == "CA-scripted"


@pytest.mark.parametrize(
    ("code", "arguments"),
    [
        (0, ["list"]),
        (0, ["verify", "segmentation-3.0"]),
        (1, ["verify", "--models-dir", "."]),
        (2, ["fetch", "none"]),
        (2, []),
    ],
)
def test_models_commands_print_one_object(code: int, arguments: list[str], tmp_path: Path) -> None:
    """The commands about weights print one JSON object too; weights that are nowhere are one clear error."""
    done = run("models", *arguments, "--json", "--data-dir", tmp_path) if arguments else run("models", "--json")
    assert (done.code, len(done.err.splitlines()) <= 1) == (code, True), done.err
    assert isinstance(done.json, dict)


def test_help_is_for_everybody() -> None:
    """Without arguments the command lists what it can do."""
    done = run()
    assert (done.code, done.err) == (0, "")
    assert all(name in done.out for name in COMMANDS)


def test_exported_documents(held: tuple[Path, Any], tmp_path: Path) -> None:
    """The five files are those of the contract, and the transcript's text is that of its words."""
    out = tmp_path / "out"
    assert run("export", "CA-scripted", "--to", out, "--data-dir", held[0]).code == 0
    names = {"redacted.wav", "transcript.json", "transcript.vtt", "consent.json", "manifest.json"}
    assert {path.name for path in out.iterdir()} == names
    transcript = json.loads((out / "transcript.json").read_text())
    assert transcript.keys() == {"version", "call_id", "language", "turns"}
    for turn in transcript["turns"]:
        assert turn.keys() == {"speaker", "channel", "start_s", "end_s", "text", "words"}
        assert turn["text"] == " ".join(word["text"] for word in turn["words"])
    words = [word["text"] for turn in transcript["turns"] for word in turn["words"]]
    assert {"[PERSON]", "[CREDIT_CARD]", "[EMAIL_ADDRESS]", scripted.ORDINARY} <= set(words)
