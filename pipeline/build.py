"""Joining the rooms: settings become models, policies, keys, store and records. Only this room imports ``models``."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import threading
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from pipeline.access import Access, login
from pipeline.archive import Archive
from pipeline.audit import Trail
from pipeline.consent import load_consent_policy
from pipeline.custody import Custody
from pipeline.db import Records
from pipeline.erasure.ledger import Ledger
from pipeline.errors import CannotOpen, StoreUnavailable, UsageError, VerificationFailed
from pipeline.keys.file import KeyFile
from pipeline.keys.shares import Shares, SplitRoot
from pipeline.keys.signing import SigningKey
from pipeline.pii import load_policy
from pipeline.retention import retain
from pipeline.roles import Role
from pipeline.run import Rooms
from pipeline.schema import check_content_free
from pipeline.store.local import LocalStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from models.asr import WhisperTranscriber
    from pipeline.config import Settings
    from pipeline.live.sense import Ears
    from pipeline.pii import PiiRecognizer, Tagger
    from pipeline.speakers import Diarizer
    from pipeline.speech import Vad
    from pipeline.store import Store
    from pipeline.transcribe import Transcriber

T = TypeVar("T")


def build(settings: Settings) -> Rooms:
    """Everything a call passes through. Models load when they are first used; their weights are looked up now.

    Raises:
        MissingModel: weights are not in the cache.
        UsageError: a policy or the key file makes no sense.
        StoreUnavailable: the data folder cannot be written.
    """
    from models.registry import TUNED_FILE

    models = _models(settings)
    redaction = load_policy(settings.policy_file("redaction.toml"))
    consent = load_consent_policy(settings.policy_file("consent.toml"))
    retention = retain.load_policy(settings.policy_file("retention.toml"))
    context = retain.Context(settings.retention.sectors, settings.retention.purpose)
    retain.check_context(context, retention)
    _recordable("consent.toml", [each.source for each in consent.rules.values()])

    provenance = {
        "callseal": importlib.metadata.version("callseal"),
        "asr": settings.asr.model_dump(),
        "diarization": settings.diarization.model_dump(),
        "verify": settings.verify.model_dump(),
        "tagger": hashlib.sha256(TUNED_FILE.read_bytes()).hexdigest(),
        "policies": {"redaction": redaction.version, "consent": consent.version, "retention": retention.version},
    }
    policies = _digests(settings.policy_file("consent.toml").parent)
    held = custody(settings, Role.WORKER)
    held.access.note_policies(policies)
    return Rooms(
        **models,
        redaction=redaction,
        consent=consent,
        retention=retention,
        context=context,
        audio=settings.audio,
        verify=settings.verify,
        archive=held.archive,
        records=held.records,
        root=held.root,
        ledger=held.ledger,
        signer=held.access.trail.key,
        # The digests too: a phrase or a rule may be changed without a new version.
        fingerprint=hashlib.sha256(json.dumps([provenance, policies], sort_keys=True).encode()).hexdigest(),
        provenance=provenance,
    )


def live_ears(settings: Settings) -> Ears:
    """What a live call is heard with. Models load when they are first used; their weights are looked up now.

    Raises:
        MissingModel: weights are not in the cache.
        UsageError: a policy makes no sense.
    """
    from pipeline.live.sense import Ears

    models = _models(settings)
    return Ears(
        vad=models["vad"],
        transcriber=models["transcriber"],
        recognizer=models["recognizer"],
        tagger=models["tagger"],
        redaction=load_policy(settings.policy_file("redaction.toml")),
        consent=load_consent_policy(settings.policy_file("consent.toml")),
        audio=settings.audio,
        verify=settings.verify,
    )


def _digests(folder: Path) -> dict[str, str]:
    """SHA-256 (hex) of every policy of a folder, by a name that a record may have."""
    files = {file.relative_to(folder).with_suffix(""): file for file in folder.rglob("*.toml")}
    names = {re.sub(r"[^A-Za-z0-9]", "_", str(name)): file for name, file in files.items() if str(name) != "default"}
    return {name: hashlib.sha256(file.read_bytes()).hexdigest() for name, file in names.items()}


def once(load: Callable[[], T]) -> Callable[[], T]:
    """The function, called once, whoever asks first: calls that are processed at once share what it loads."""
    lock, kept = threading.Lock(), cache(load)

    def loaded() -> T:
        with lock:
            return kept()

    return loaded


def _models(settings: Settings) -> dict[str, Callable[[], Any]]:
    """The models of ``Rooms``: each is loaded once, when it is first asked for; its weights are looked up now."""
    from models.allocator import keep_freed_memory
    from models.fetch import resolve
    from models.registry import ENCODER

    if settings.asr.device == "cpu":
        keep_freed_memory()
    asr = resolve(settings.asr.model, settings.models_dir)
    segmentation = resolve(settings.diarization.segmentation, settings.models_dir)
    embedding = resolve(settings.diarization.embedding, settings.models_dir)
    encoder = resolve(ENCODER, settings.models_dir)

    @once
    def vad() -> Vad:
        from models.vad import PyannoteVad

        return PyannoteVad(segmentation, settings.diarization.device)

    @once
    def recogniser() -> WhisperTranscriber:
        from models.asr import AsrOptions, WhisperTranscriber

        return WhisperTranscriber(asr, AsrOptions(**settings.asr.model_dump(exclude={"model"})))

    @once
    def listener() -> Transcriber:
        return recogniser().with_beam(settings.verify.beam_size)

    @once
    def diarizer() -> Diarizer:
        from models.diarize import DiarizeOptions, PyannoteDiarizer

        options = DiarizeOptions(max_speakers=settings.diarization.max_speakers)
        return PyannoteDiarizer(segmentation, embedding, options=options, device=settings.diarization.device)

    @once
    def recognizer() -> PiiRecognizer:
        from models.pii import PresidioRecognizer

        return PresidioRecognizer()

    @once
    def tagger() -> Tagger:
        from models.tagger import TalkTagger

        return TalkTagger(encoder, settings.diarization.device)

    return {
        "vad": vad,
        "transcriber": recogniser,
        "listener": listener,
        "diarizer": diarizer,
        "recognizer": recognizer,
        "tagger": tagger,
    }


def _recordable(name: str, texts: Sequence[str]) -> None:
    """Raise UsageError if what a policy writes into every record is what the records refuse."""
    try:
        check_content_free(texts)
    except VerificationFailed as exc:
        raise UsageError(f"{name}: a version with a source reads like a number of a person and cannot be kept") from exc


def custody(settings: Settings, role: Role, actor_id: str = "", *, rotating: bool = False) -> Custody:
    """Store, records, root key and key side, made where they do not exist yet.

    Args:
        settings: in force.
        role: in which the archive is opened; what it may open and seal.
        actor_id: who acts, for the audit trail; this login where it is empty.
        rotating: the root key may be of another kind than the settings say: it is about to be replaced.

    Raises:
        CannotOpen: the key file is damaged, or missing or another one than the callers' keys were made under.
        Refused: this host does not act in that role.
        UsageError: the key file is readable by others, or holds another kind of root key than the settings say.
        StoreUnavailable: the data folder cannot be written, or the database not reached.
        MissingExtra: what speaks to the store or the database is not installed.
    """
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as exc:
        raise StoreUnavailable(f"the data folder cannot be made: {exc.strerror}") from exc
    records = Records.open(settings.database_url)
    used = records.root_key_ids()
    if used and not settings.key_file.exists():
        raise CannotOpen("the key file is missing, and callers' keys were made under one: put it back")
    root = KeyFile.load_or_create(settings.key_file, settings.keys.kms_key)
    # Under another key every caller has another name, so that an erasure would find nothing and say so.
    if not all(root.opens(key_id) for key_id in used):
        raise CannotOpen("callers' keys were made under another key file than this one")
    wanted = settings.keys.kms_key
    if wanted and not rotating and (not root.kms_key or (wanted.startswith("arn:") and wanted != root.kms_key)):
        raise UsageError("keys.kms_key is not the root key of the key file: callseal keys rotate --root makes it so")
    trail = Trail(records.engine, SigningKey.load_or_create(settings.signing_key_file), settings.checkpoint_file)
    access = Access(actor_id or settings.access.actor or login(), role, trail)
    access.admit(settings.access.roles)
    shares = Shares.open(settings.keyside_url)
    return Custody(
        archive=Archive(open_store(settings), access),
        records=records,
        root=SplitRoot(root, shares),
        shares=shares,
        ledger=Ledger(shares.engine, root),
        access=access,
    )


def open_store(settings: Settings) -> Store:
    """The store of the settings; nothing is read or written.

    Raises:
        MissingExtra: the store is a bucket, and what speaks to it is not installed.
        StoreUnavailable: no region is set, in the settings or in the environment.
    """
    if settings.store.kind == "folder":
        return LocalStore(settings.store_folder)
    from pipeline.store.s3 import S3Store
    from pipeline.store.s3_client import S3Options

    chosen = settings.store.model_dump(include=set(S3Options.__slots__))
    return S3Store.connect(S3Options(**chosen))
