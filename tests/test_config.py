"""Settings: an argument before the environment, the environment before a file, a file before what is shipped."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipeline.config import load_settings, shipped_configs
from pipeline.errors import UsageError


@pytest.fixture(name="file")
def _file(tmp_path: Path) -> Path:
    file = tmp_path / "mine.toml"
    file.write_text('data_dir = "/from/file"\n[asr]\nbeam_size = 3\nbatch_size = 4\n')
    return file


def test_shipped_defaults() -> None:
    """Without a file or a variable the shipped values are in force."""
    settings = load_settings()
    assert (settings.asr.model, settings.asr.beam_size) == ("base", 1)
    assert settings.key_file == settings.data_dir / "keys" / "root.json"
    assert settings.store_folder == settings.data_dir / "objects"
    assert settings.policy_file("consent.toml") == shipped_configs() / "consent.toml"


def test_a_file_changes_what_it_names(file: Path) -> None:
    """An operator's file changes its own keys and leaves their neighbours."""
    settings = load_settings(file=file)
    assert (settings.asr.beam_size, settings.asr.batch_size, settings.asr.model) == (3, 4, "base")
    assert settings.data_dir == Path("/from/file")


def test_the_environment_comes_before_a_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable changes one key of a group and leaves the file's others."""
    monkeypatch.setenv("CALLSEAL_ASR__BEAM_SIZE", "5")
    monkeypatch.setenv("CALLSEAL_DATA_DIR", "/from/environment")
    settings = load_settings(file=file)
    assert (settings.asr.beam_size, settings.asr.batch_size) == (5, 4)
    assert settings.data_dir == Path("/from/environment")


def test_an_argument_comes_before_all(file: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The data folder of the command line wins."""
    monkeypatch.setenv("CALLSEAL_DATA_DIR", "/from/environment")
    assert load_settings(tmp_path, file).data_dir == tmp_path


def test_the_environment_names_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """``CALLSEAL_CONFIG`` names a file, and an argument another."""
    monkeypatch.setenv("CALLSEAL_CONFIG", str(file))
    assert load_settings().asr.beam_size == 3
    other = file.with_name("other.toml")
    other.write_text("[asr]\nbeam_size = 7\n")
    assert load_settings(file=other).asr.beam_size == 7


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("colour = 1\n", "colour"),
        ("[asr]\nbeam = 1\n", "asr.beam"),
        ("[asr]\nbeam_size = 0\n", "asr.beam_size"),
        ('[asr]\nbeam_size = "many"\n', "asr.beam_size"),
        ('[asr]\ndevice = "abacus"\n', "asr.device"),
        ("[audio]\nmax_duration_s = -1\n", "audio.max_duration_s"),
        ('[audio]\ntwo_channels = ["agent"]\n', "audio.two_channels"),
        ('[store]\nkind = "s3"\n', "bucket"),
        ('[store]\nprefix = "calls"\n', "store.prefix"),
        ('[store]\nendpoint = "http://objects.example.com"\n', "store.endpoint"),
        ('[store]\nobject_lock = "on"\n', "store.object_lock"),
        ("asr = 3\n", "asr"),
        ("[asr\n", "not TOML"),
    ],
)
def test_what_makes_no_sense_is_refused(text: str, named: str, tmp_path: Path) -> None:
    """An unknown key or a wrong value is a usage error that names it."""
    file = tmp_path / "mine.toml"
    file.write_text(text)
    with pytest.raises(UsageError, match=named):
        load_settings(file=file)


def test_an_unknown_variable_of_a_group_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable that names no key of its group is refused rather than ignored."""
    monkeypatch.setenv("CALLSEAL_ASR__BEEM_SIZE", "5")
    with pytest.raises(UsageError, match="beem_size"):
        load_settings()


def test_a_missing_file(tmp_path: Path) -> None:
    """A file that does not exist is an error, never the defaults."""
    with pytest.raises(UsageError, match=r"none\.toml"):
        load_settings(file=tmp_path / "none.toml")


def test_folders_can_be_elsewhere(tmp_path: Path) -> None:
    """Key, objects and policies may lie on other disks than the data."""
    file = tmp_path / "mine.toml"
    file.write_text('[keys]\nfile = "/k/root.json"\n[store]\nfolder = "/o"\n[policies]\nfolder = "/p"\n')
    settings = load_settings(tmp_path, file)
    assert (settings.key_file, settings.store_folder) == (Path("/k/root.json"), Path("/o"))
    assert settings.policy_file("retention.toml") == Path("/p/retention.toml")


def test_password_of_the_database_is_shown_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The URL comes from a file or the environment, and no representation of the settings shows it."""
    assert load_settings(tmp_path).database_url == f"sqlite:///{tmp_path}/callseal.db"
    monkeypatch.setenv("CALLSEAL_DATABASE__URL", "postgresql://callseal:hunter2@db.example.com/callseal")
    settings = load_settings(tmp_path)
    assert settings.database_url == "postgresql://callseal:hunter2@db.example.com/callseal"
    assert "hunter2" not in f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}"
