"""Settings: one frozen object from ``configs/default.toml``, an operator's file and the environment.

The only room that reads the environment. Nothing here opens a model, a key or a database.
"""

from __future__ import annotations

import os
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

import platformdirs
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from pipeline.errors import UsageError
from pipeline.roles import Role
from pipeline.types import Channel, Purpose

if TYPE_CHECKING:
    from pydantic_settings import PydanticBaseSettingsSource

    from pipeline.intake.fetch_recording import FetchRule


def _encrypted(endpoint: str) -> str:
    """What is stored is sealed; the requests about it are not, and show which caller is erased when."""
    parts = urlsplit(endpoint)
    local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if endpoint and not (parts.hostname and (parts.scheme == "https" or (parts.scheme == "http" and local))):
        raise ValueError("an endpoint is an https:// URL, or http:// on this machine")
    return endpoint


Count = Annotated[int, Field(ge=1, le=1024)]
Endpoint = Annotated[str, AfterValidator(_encrypted)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class AsrSettings(_Part):
    """Speech recognition; see ``configs/default.toml`` for each key."""

    model: str
    device: Literal["cpu", "cuda"]
    compute_type: str
    workers: Count
    threads: Count
    batch_size: Count
    beam_size: Count


class DiarizationSettings(_Part):
    """Who speaks on a mono recording."""

    segmentation: str
    embedding: str
    device: Literal["cpu", "cuda"]
    max_speakers: Count


class AudioSettings(_Part):
    """What recordings are accepted."""

    max_duration_s: Annotated[float, Field(gt=0)]
    max_bytes: Annotated[int, Field(gt=0)]
    two_channels: tuple[Channel, Channel]
    silence_peak: Annotated[float, Field(ge=0, lt=1)]


class VerifySettings(_Part):
    """What a call must pass before it is stored."""

    languages: tuple[Annotated[str, Field(pattern=r"^[a-z]{2}$")], ...]
    min_language_certainty: Annotated[float, Field(ge=0, le=1)]
    rounds: Annotated[int, Field(ge=1, le=10)]
    context_s: Annotated[float, Field(ge=0.5, le=30)]
    beam_size: Count


class PolicySettings(_Part):
    """Where the policies are."""

    folder: str


class KeySettings(_Part):
    """Where the root key and the key side are."""

    file: str
    kms_key: str
    shares: str


class IntakeSettings(_Part):
    """The drop box, for hosts that receive calls and must not read them."""

    public_key: str
    box: str


class RetentionSettings(_Part):
    """What the calls are about, where their metadata does not say; names of ``configs/retention.toml``."""

    sectors: tuple[str, ...]
    purpose: str


class AccessSettings(_Part):
    """Who may do what on this host."""

    roles: tuple[Role, ...]
    actor: Annotated[str, Field(max_length=128)]


class StoreSettings(_Part):
    """Where sealed objects are; all but ``kind`` and ``folder`` is about the bucket."""

    kind: Literal["folder", "s3"]
    folder: str
    bucket: str
    prefix: Annotated[str, Field(pattern=r"^([A-Za-z0-9_-]+/)*$")]
    endpoint: Endpoint
    region: str
    sse: Literal["", "AES256", "aws:kms"]
    kms_key: str
    tags: bool
    object_lock: Literal["", "GOVERNANCE", "COMPLIANCE"]
    unfinished_days: Annotated[int, Field(ge=1, le=365)]
    hidden_days: Annotated[int, Field(ge=1, le=3650)]

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.kind == "s3" and not self.bucket:
            raise ValueError("the kind s3 needs a bucket")
        return self


class ApiSettings(_Part):
    """The hook: who may hand calls in, and how.

    Args:
        host: address to listen on.
        port: likewise.
        public_url: under which the platform knows this server; a signature of Twilio covers it.
        max_body_bytes: of an upload; an event may have 256 KiB.
        per_minute: requests from one address; more are told to come later.
        reserve_bytes: of each disk that intake leaves to the workers; below, calls are told to come later.
        max_waiting: calls that may wait; more are told to come later.
        twilio_auth_token: with which Twilio signs.
        webhook_secret: of the Standard Webhooks specification, ``whsec_...``.
    """

    host: str
    port: Annotated[int, Field(ge=0, le=65535)]
    public_url: str
    max_body_bytes: Annotated[int, Field(gt=0)]
    per_minute: Annotated[int, Field(ge=1)]
    reserve_bytes: Annotated[int, Field(ge=0)]
    max_waiting: Annotated[int, Field(ge=1)]
    twilio_auth_token: SecretStr
    webhook_secret: SecretStr


class LiveSettings(_Part):
    """Calls that are heard while they are spoken; see ``configs/default.toml``."""

    delay_s: Annotated[float, Field(ge=12, le=300)]
    purpose: Purpose
    at_once: Annotated[int, Field(ge=0, le=64)]
    keep: bool


class FetchSettings(_Part):
    """From where recordings are fetched that an event names."""

    hosts: tuple[str, ...]
    private: bool
    within_s: Annotated[float, Field(gt=0)]
    user: str
    password: SecretStr
    delete_at: tuple[str, ...]


class S3EventSettings(_Part):
    """Notifications of buckets; see ``configs/default.toml``."""

    buckets: tuple[str, ...]
    endpoint: Endpoint
    region: str
    pattern: str
    started_format: str
    zone: str
    jurisdictions: tuple[str, ...]


class WatchSettings(_Part):
    """The watched folder: how its files are read and when they are taken; see ``configs/default.toml``."""

    pattern: str
    started_format: str
    zone: str
    jurisdictions: tuple[str, ...]
    sidecar: Literal["none", "optional", "required"]
    settled_s: Annotated[float, Field(ge=0)]
    every_s: Annotated[float, Field(gt=0)]
    keep: str


class DatabaseSettings(_Part):
    """Where the records are; the URL can hold a password, so it is shown nowhere."""

    url: SecretStr


class Settings(BaseSettings):
    """Everything an operator can set.

    Args:
        data_dir: database, objects and, unless set otherwise, the key.
        models_dir: weights.
    """

    model_config = SettingsConfigDict(env_prefix="CALLSEAL_", env_nested_delimiter="__", frozen=True, extra="forbid")

    data_dir: Path
    models_dir: Path
    asr: AsrSettings
    diarization: DiarizationSettings
    audio: AudioSettings
    verify: VerifySettings
    policies: PolicySettings
    keys: KeySettings
    access: AccessSettings
    intake: IntakeSettings
    store: StoreSettings
    database: DatabaseSettings
    api: ApiSettings
    live: LiveSettings
    fetch: FetchSettings
    watch: WatchSettings
    s3_events: S3EventSettings
    retention: RetentionSettings

    @classmethod
    def settings_customise_sources(  # noqa: D102 -- the library's signature
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return env_settings, init_settings

    @property
    def database_url(self) -> str:
        """SQLAlchemy URL of the records; not to be printed."""
        return self.database.url.get_secret_value() or f"sqlite:///{self.data_dir / 'callseal.db'}"

    @property
    def fetch_rule(self) -> FetchRule:
        """From where recordings are fetched; the login goes to every listed host."""
        from pipeline.intake.fetch_object import BucketRule
        from pipeline.intake.fetch_recording import FetchRule

        login = (self.fetch.user, self.fetch.password.get_secret_value())
        logins = {host: login for host in self.fetch.hosts if self.fetch.user and not host.startswith(".")}
        bucket = BucketRule(self.s3_events.buckets, self.s3_events.endpoint, self.s3_events.region)
        return FetchRule(
            self.fetch.hosts, self.fetch.private, self.fetch.within_s, logins, bucket, self.fetch.delete_at
        )

    @property
    def jobs_url(self) -> str:
        """URL of the queue's tables: beside the records in PostgreSQL, else a file of their own. Not to be printed."""
        url = self.database_url
        return f"sqlite:///{self.data_dir / 'jobs.db'}" if url.startswith("sqlite") else url

    @property
    def database_exists(self) -> bool:
        """Whether there are records already, as far as can be told without a connection."""
        return not self.database_url.startswith("sqlite") or (self.data_dir / "callseal.db").is_file()

    @property
    def key_file(self) -> Path:
        """The root key file."""
        return Path(self.keys.file) if self.keys.file else self.data_dir / "keys" / "root.json"

    @property
    def signing_key_file(self) -> Path:
        """The private key that signs certificates and checkpoints, beside the root key file."""
        return self.key_file.with_name("signing.pem")

    @property
    def keyside_url(self) -> str:
        """SQLAlchemy URL of the key side: shares of the subject keys, ledger of erasures."""
        return self.keys.shares or f"sqlite:///{self.key_file.with_name('keyside.db')}"

    @property
    def intake_key_file(self) -> Path:
        """The private key that opens the drop box, beside the root key file."""
        return self.key_file.with_name("intake.json")

    @property
    def box_folder(self) -> Path:
        """The drop box."""
        return Path(self.intake.box) if self.intake.box else self.data_dir / "received"

    @property
    def checkpoint_file(self) -> Path:
        """The newest entry of the audit trail, beside the key that signs it."""
        return self.key_file.with_name("audit.json")

    @property
    def store_folder(self) -> Path:
        """Folder of sealed objects."""
        return Path(self.store.folder) if self.store.folder else self.data_dir / "objects"

    def policy_file(self, name: str) -> Path:
        """A policy by its file name."""
        return (Path(self.policies.folder) if self.policies.folder else shipped_configs()) / name


def shipped_configs() -> Path:
    """The folder of the shipped configuration: in the package of an installed wheel, else beside it."""
    inside = Path(__file__).parent / "configs"
    return inside if inside.is_dir() else Path(__file__).parent.parent / "configs"


def load_settings(data_dir: Path | None = None, file: Path | None = None) -> Settings:
    """The settings in force.

    Args:
        data_dir: overrides the environment and every file.
        file: an operator's TOML file; ``CALLSEAL_CONFIG`` names one otherwise.

    Raises:
        UsageError: a file is missing, a key is unknown or a value is wrong.
    """
    named = file or (Path(os.environ["CALLSEAL_CONFIG"]) if os.environ.get("CALLSEAL_CONFIG") else None)
    if named is not None and not named.is_file():
        raise UsageError(f"the settings file {named.name} does not exist")
    files = [shipped_configs() / "default.toml", *([named] if named else [])]

    values: dict[str, Any] = {
        "data_dir": platformdirs.user_data_path("callseal"),
        "models_dir": platformdirs.user_cache_path("callseal") / "models",
    }
    for each in files:
        values = _merged(values, _toml(each))
    try:
        settings = Settings(**values)
    except ValidationError as exc:
        where = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in exc.errors(include_input=False))
        raise UsageError(f"settings: {where}") from exc
    return settings.model_copy(update={"data_dir": data_dir}) if data_dir else settings


def _toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as exc:
        raise UsageError(f"the settings file {file.name} is not TOML: {exc}") from exc


def _merged(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(below[key], above[key])
        for key in below.keys() & above.keys()
        if isinstance(below[key], dict) and isinstance(above[key], dict)
    }
    return {**below, **above, **both}
