"""The product as its users have it: the command in a process of its own, its folders, what can be found in them."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from pipeline.config import load_settings

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TESTS: Final = Path(__file__).parent
CALLS: Final = TESTS / "data" / "calls"
CALLSEAL: Final = (str(Path(sys.executable).with_name("callseal")),)
SCRIPTED: Final = (sys.executable, "-m", "tests.scripted")
TIMEOUT_S: Final = 600
_SAMPLE_EVERY_S: Final = 0.02


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one JSON object that stdout holds."""
        return json.loads(self.out)


def run(*arguments: str | Path, program: Sequence[str] = CALLSEAL, **environment: str) -> Done:
    """A command in a process of its own."""
    done = subprocess.run(
        [*program, *map(str, arguments)],
        env=os.environ | environment,
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def objects(data_dir: Path) -> dict[str, str]:
    """Hash by name of every file in the store, unfinished ones included."""
    store = data_dir / "objects"
    return {str(f.relative_to(store)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files(store)}


def files(*folders: Path) -> list[Path]:
    """Every file under the folders."""
    return sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())


def needles(*values: str | bytes) -> frozenset[bytes]:
    """How a value could be written down: as it is, digits only, reversed, in UTF-16, hex and base64; lower case."""
    plain = {form for value in values for form in _forms(value)}
    return frozenset(each.lower() for form in plain if len(form) >= 6 for each in _encodings(form))


def _forms(value: str | bytes) -> Iterator[bytes]:
    if isinstance(value, bytes):
        yield value
        return
    digits = re.sub(r"\D", "", value)
    texts = {value, *value.split()} if len(digits) < 6 else {value, digits, digits[::-1]}
    if value.startswith("+1"):
        area, office, line = digits[1:4], digits[4:7], digits[7:]
        texts |= {f"{area}{sign}{office}{sign}{line}" for sign in ("", " ", "-", ".")}
        texts |= {f"({area}) {office}-{line}", f"{office}-{line}", f"{office}{line}", digits[:0:-1]}
    yield from (text.lower().encode() for text in texts)
    yield from (text.encode() for text in texts)
    yield from (text.encode("utf-16-le") for text in texts)


def _encodings(raw: bytes) -> Iterator[bytes]:
    yield raw
    yield raw.hex().encode()
    for before in range(3):  # where in a group of three bytes it begins
        encoded = base64.b64encode(bytes(before) + raw).rstrip(b"=")
        yield encoded[(0, 2, 3)[before] : -1]


def sightings(wanted: Iterable[bytes], *places: Path | bytes | str) -> list[str]:
    """Where one of the needles is found: in files below a folder and in their names, in bytes, in text."""
    wanted = tuple(wanted)
    return [where for where, content in _contents(places) if any(needle in content for needle in wanted)]


def _contents(places: Iterable[Path | bytes | str]) -> Iterator[tuple[str, bytes]]:
    for place in places:
        if isinstance(place, Path):
            for path in sorted(place.rglob("*")):
                yield f"name of {path}", str(path.relative_to(place)).lower().encode()
                try:
                    yield str(path), path.read_bytes().lower() if path.is_file() else b""
                except FileNotFoundError:
                    continue  # gone between the listing and the reading
        else:
            raw = place.encode() if isinstance(place, str) else place
            yield f"text of {len(raw)} bytes", raw.lower()


@dataclass(frozen=True, slots=True)
class Watched:
    """A command that ran in folders of its own while somebody looked at every file it touched.

    Args:
        done: how it ended.
        data_dir: its data folder; ``around`` are its home, its working folder and the one for temporary files.
        egress: what it tried to reach, and the internet sockets it was seen with.
        seen: where a needle was sighted while it ran.
        looks: how often every file was looked at.
    """

    done: Done
    data_dir: Path
    around: tuple[Path, ...]
    egress: tuple[str, ...]
    seen: tuple[str, ...]
    looks: int

    def strays(self) -> list[Path]:
        """Files outside of the data folder that were not there before, but for a list of the machine's fonts."""
        return [path for path in files(*self.around) if not path.name.startswith("fontlist-")]


@dataclass(slots=True)
class _Sampler:
    """Looks into all files of some folders, and of a process, until it is told to stop."""

    wanted: frozenset[bytes]
    folders: tuple[Path, ...]
    pid: int
    seen: list[str] = field(default_factory=list)
    sockets: list[str] = field(default_factory=list)
    looks: int = 0
    stop: threading.Event = field(default_factory=threading.Event)

    def look(self) -> None:
        while not self.stop.wait(_SAMPLE_EVERY_S):
            self.seen += sightings(self.wanted, *self.folders, *self._nameless())
            self.sockets += self._sockets()
            self.looks += 1

    def _nameless(self) -> Iterator[bytes]:
        """Contents of files that the process holds open and that have no name any more."""
        for link in _listed(Path(f"/proc/{self.pid}/fd")):
            target = _target(link)
            try:
                if target.endswith(" (deleted)") and not target.startswith("/memfd:"):
                    yield link.read_bytes()
            except OSError:
                continue  # closed meanwhile

    def _sockets(self) -> list[str]:
        """Internet sockets that the process holds open, whichever library opened them."""
        held = {
            name[8:-1] for name in map(_target, _listed(Path(f"/proc/{self.pid}/fd"))) if name.startswith("socket:[")
        }
        tables = [Path(f"/proc/{self.pid}/net/{kind}") for kind in ("tcp", "tcp6", "udp", "udp6")]
        rows = [(table.name, line.split()) for table in tables if held for line in _lines(table)[1:]]
        return [f"{kind} to {row[2]}" for kind, row in rows if row[9] in held]


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:
        return ""  # closed meanwhile


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text().splitlines()
    except OSError:
        return []  # the process has ended


def _listed(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:
        return []  # the process has ended


def watched(
    folder: Path, *arguments: str | Path, wanted: frozenset[bytes], program: Sequence[str] = CALLSEAL
) -> Watched:
    """Run a command on a data folder in ``folder``, without a network, and look at all files while it runs."""
    data_dir, log = folder / "data", folder / "egress.log"
    around = tuple(folder / name for name in ("home", "tmp", "cwd"))
    for each in around:
        each.mkdir(parents=True, exist_ok=True)
    log.touch()
    environment = os.environ | {
        "HOME": str(around[0]),
        "TMPDIR": str(around[1]),
        "PYTHONPATH": os.pathsep.join((str(TESTS / "watch"), str(TESTS.parent))),  # this checkout, not an installed one
        "PYTHONDONTWRITEBYTECODE": "1",
        "EGRESS_LOG": str(log),
        "CALLSEAL_MODELS_DIR": str(load_settings().models_dir),
        "CALLSEAL_DATA_DIR": str(data_dir),
    }
    pipe = subprocess.PIPE
    with subprocess.Popen(
        [*program, *map(str, arguments)], env=environment, cwd=around[2], stdout=pipe, stderr=pipe, text=True
    ) as process:
        sampler = _Sampler(wanted, (data_dir, *around), process.pid)
        thread = threading.Thread(target=sampler.look)
        thread.start()
        try:
            out, err = process.communicate(timeout=TIMEOUT_S)
        finally:
            process.kill()
            sampler.stop.set()
            thread.join()
    done = Done(process.returncode, out, err)
    egress = (*log.read_text().splitlines(), *sampler.sockets)
    return Watched(done, data_dir, around, egress, tuple(sampler.seen), sampler.looks)
