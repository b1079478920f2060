"""The watched folder: recordings that a telephone system writes to a disk become waiting calls, and leave the disk.

Takes a folder, keys, store and records; gives counts. A recording is taken once nobody writes it any more: it has not
changed for a while and, where the kernel can tell, no process of this machine holds it open for writing. It is sealed
and handed in (``pipeline.intake.arrival``), and only when its row is there is the file removed, if it is still the very
file that was sealed.

Order of writes, safe to die anywhere in: the call's row -> a note of the files to be removed -> the files -> the note.
A pass begins with the notes that a dead one left. A call whose row is there is known by its digest and not taken twice;
another recording under the same name or id, and what cannot be taken, goes to ``rejected/``, never away.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import secrets
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from pipeline.errors import BadInput, BadMetadata, Refused, Temporary, UsageError
from pipeline.intake.arrival import Legs, hand_in
from pipeline.intake.ingest import Delivery, inspect, reread
from pipeline.intake.watch_names import calls_in
from pipeline.metadata import CallMetadata

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime
    from pathlib import Path

    from pipeline.custody import Custody
    from pipeline.intake.pressure import Pressure
    from pipeline.intake.watch_names import Found, NameRule
    from pipeline.retention.retain import RetentionPolicy

REJECTED: Final = "rejected"
NO_ROOM: Final = "no_room"
NOTE: Final = ".callseal-taken-"

Identity = tuple[int, int, int]  # inode, size in bytes, time of change in ns


@dataclass(frozen=True, slots=True)
class Watch:
    """A watched folder.

    Args:
        folder: where recordings appear, and in folders below it.
        names: how their names are read.
        settled_s: how long a file must not have changed.
        keep: folder that taken recordings are moved to; None to delete them.
        held: keys, store and records, in the role of intake.
        retention: until when an original may wait.
        max_bytes: of a recording.
        enqueue: puts a call that waits into the queue.
        room: for more calls.
    """

    folder: Path = field(repr=False)
    names: NameRule
    settled_s: float
    keep: Path | None = field(repr=False)
    held: Custody
    retention: RetentionPolicy
    max_bytes: int
    enqueue: Callable[[str], None] = field(repr=False)
    room: Pressure = field(repr=False)


def look(watch: Watch, now: datetime) -> Counter[str]:
    """Take what is there to be taken.

    Gives how many calls were ``taken``, were ``held`` already, ``wait`` to be written or for their other part, have
    ``no_room`` for now, and how many were rejected, by the name of the error.

    Raises:
        UsageError: there is no such folder, or it cannot be written.
        Temporary: store or database is away; nothing is lost, look again.
    """
    if not watch.folder.is_dir():
        raise UsageError("there is no such folder to watch")
    try:
        _finish_removals(watch)
        counts: Counter[str] = Counter()
        for found in calls_in(_recordings(watch), watch.names):
            counts[_settle(found, watch, now)] += 1
    except OSError as exc:
        raise UsageError(f"the watched folder cannot be used: {exc.strerror}") from exc
    return counts


def keep_looking(
    watch: Watch,
    clock: Callable[[], datetime],
    stop: threading.Event,
    every_s: float,
    tell: Callable[[Counter[str]], None],
) -> Counter[str]:
    """Look until ``stop`` is set, once at least; gives what was done, and the calls that still wait.

    ``tell`` hears of each look that took or rejected something, and of each that found no room, or the store or
    database away.
    """
    total: Counter[str] = Counter()
    while True:
        try:
            counts = look(watch, clock())
        except Temporary as exc:
            if stop.is_set():
                raise
            counts = Counter({type(exc).__name__: 1})
        waiting = Counter(wait=counts.pop("wait", 0))
        if counts:
            tell(counts)
        waiting[NO_ROOM] = counts.pop(NO_ROOM, 0)
        total.update(counts)
        if stop.wait(every_s):
            return total + waiting


def _settle(found: Found, watch: Watch, now: datetime) -> str:
    """What becomes of one call of the folder."""
    files = (*found.files, *((found.sidecar,) if found.sidecar else ()))
    try:
        before = [_identity(file) for file in files]
        if not found.complete or not all(_is_settled(file, watch.settled_s, now) for file in files):
            return "wait"
        if watch.room.lack(now):
            return NO_ROOM
        outcome = _take(found, watch, now)
    except (FileNotFoundError, UsageError):
        return "wait"  # gone or renamed meanwhile, or not readable yet
    except (BadInput, Refused) as exc:
        _move(files, watch.folder / REJECTED)
        return type(exc).__name__
    _remove(files, before, watch)
    return outcome


def _take(found: Found, watch: Watch, now: datetime) -> str:
    """Seal and hand in.

    Raises:
        BadInput: it is no recording, its metadata make no sense, or its id is another recording's.
        Refused: the call was erased, or its caller restricts processing.
        Temporary: a file changed while it was read, or store or database is away.
    """
    source = inspect(Delivery(found.files, found.legs, CallMetadata()), watch.max_bytes)
    metadata = found.metadata(source.sha256)
    streams = [reread(file, sha256) for file, sha256 in zip(found.files, source.parts, strict=True)]
    call_id = str(metadata.call_id)
    if hand_in(Legs(streams, found.legs), metadata, watch.held, watch.retention, watch.max_bytes, now):
        watch.enqueue(call_id)
        return "taken"
    record = watch.held.records.call(call_id)
    if record is None:
        raise Temporary(f"call {call_id} was erased while it was taken in")
    if record.source_sha256 != source.sha256:
        raise BadMetadata(f"call_id: {call_id} is held already, with another recording")
    return "held"


def _recordings(watch: Watch) -> Iterator[Path]:
    """Files below the folder by name, without hidden ones, links, and what was moved aside."""
    aside = {watch.folder / REJECTED, watch.keep}
    for path in sorted(watch.folder.rglob("*")):
        hidden = any(part.startswith(".") for part in path.relative_to(watch.folder).parts)
        if not hidden and not aside & set(path.parents) and not path.is_symlink() and path.is_file():
            yield path


def _identity(file: Path) -> Identity:
    found = file.lstat()
    return found.st_ino, found.st_size, found.st_mtime_ns


def _is_settled(file: Path, settled_s: float, now: datetime) -> bool:
    """Whether nobody writes the file any more; one that is empty was only begun."""
    found = file.stat()
    still_s = abs(now.timestamp() - found.st_mtime)  # a time that is to come is a clock that was put right
    return found.st_size > 0 and still_s >= settled_s and not _is_written(file)


def _is_written(file: Path) -> bool:
    """Whether a process of this machine holds the file open for writing, so far as the kernel says.

    A read lease is granted only where nobody does (fcntl(2), F_SETLEASE); on another's file, or a file system without
    leases, it is refused in another way, which says nothing.
    """
    with file.open("rb") as raw:
        try:
            fcntl.fcntl(raw, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        except OSError as exc:
            return exc.errno == errno.EAGAIN
        fcntl.fcntl(raw, fcntl.F_SETLEASE, fcntl.F_UNLCK)
    return False


def _remove(files: Sequence[Path], before: Sequence[Identity], watch: Watch) -> None:
    """Note what is to be removed, so that the parts of a call go together, and remove it."""
    name = secrets.token_hex(8)
    note, unfinished = watch.folder / f"{NOTE}{name}", watch.folder / f"{NOTE}{name}.unfinished"
    names = [str(file.relative_to(watch.folder)) for file in files]
    with unfinished.open("w", encoding="utf-8") as out:
        json.dump(list(zip(names, before, strict=True)), out)
        out.flush()
        os.fsync(out.fileno())
    unfinished.replace(note)
    _carry_out(note, watch)


def _finish_removals(watch: Watch) -> None:
    """Carry out the notes that a pass left which died."""
    for note in watch.folder.glob(f"{NOTE}*"):
        if note.suffix == ".unfinished":
            note.unlink(missing_ok=True)
        else:
            _carry_out(note, watch)


def _carry_out(note: Path, watch: Watch) -> None:
    """Remove each file that is still the one that was sealed, then the note."""
    for name, identity in json.loads(note.read_text(encoding="utf-8")):
        file = watch.folder / name
        if not file.exists() or _identity(file) != tuple(identity):
            continue
        if watch.keep is None:
            file.unlink(missing_ok=True)
        else:
            _move([file], watch.keep)
    note.unlink(missing_ok=True)


def _move(files: Sequence[Path], folder: Path) -> None:
    """Into a folder of the same file system, under a name that is free there."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    mark = secrets.token_hex(4)
    taken = any((folder / file.name).exists() for file in files)
    for file in files:
        file.replace(folder / (f"{file.stem}.{mark}{file.suffix}" if taken else file.name))
