"""What became of the calls of one fault: looks into records, store, disks and audit trail, gives a row of the table."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from pipeline.build import custody
from pipeline.config import load_settings
from pipeline.roles import Role
from pipeline.types import Status
from tests import scripted
from tests.product import SCRIPTED, needles, sightings

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from pipeline.custody import Custody

SECRET: Final = needles(
    scripted.CALLER, scripted.CARD, scripted.KNOWN["PERSON"][0], scripted.recording()[80_000:80_064]
)


@dataclass(frozen=True)
class Row:
    """What became of the calls of one fault.

    Args:
        fault: what was done.
        faults: how often something was killed or failed.
        calls: handed in.
        stored: once, with every object that their rows name.
        quarantined: with a reason.
        lost: neither of both.
        doubled: stored more than once.
        strays: objects without a row, which the sweep removes a day later.
        plain: files in which something that was said was sighted.
        audit: ``ok`` where the trail verifies.
    """

    fault: str
    faults: int
    calls: int
    stored: int
    quarantined: int
    lost: int
    doubled: int
    strays: int
    plain: int
    audit: str

    @property
    def good(self) -> bool:
        """Whether nothing was lost, doubled or left plain, the trail verifies, and there was a fault at all."""
        return not (self.lost or self.doubled or self.plain) and self.audit == "ok" and self.faults > 0


def count(fault: str, data: Path, faults: int, call_ids: Sequence[str], *disks: Path) -> Row:
    """Look at what is in the records of ``data``, and on its disk and those of the servers that it uses."""
    held = custody(load_settings(data), Role.PRIVACY_OFFICER)
    there = {each.key for each in held.archive.store.list()}
    ends = [_end(call_id, held, there) for call_id in call_ids]
    known = held.records.object_keys()
    held.records.close()
    audit = subprocess.run([*SCRIPTED, "audit", "verify", "--data-dir", data], capture_output=True, check=False)
    return Row(
        fault=fault,
        faults=faults,
        calls=len(call_ids),
        stored=ends.count("stored"),
        quarantined=ends.count("quarantined"),
        lost=ends.count("lost"),
        doubled=ends.count("doubled"),
        strays=len(there - known),
        plain=len(sightings(SECRET, data, *disks)),
        audit="ok" if audit.returncode == 0 else f"exit {audit.returncode}",
    )


def _end(call_id: str, held: Custody, there: set[str]) -> str:
    record = held.records.call(call_id)
    artifacts = [each.sealed for each in held.records.artifacts(call_id)]
    recordings = [each.kind.value for each in artifacts].count("redacted_audio")
    if record is None or not all(each.object_key in there for each in artifacts):
        return "lost"
    if record.status is Status.STORED and recordings:
        return "stored" if recordings == 1 else "doubled"
    reason = record.summary.get("error") or record.summary.get("consent")
    return "quarantined" if record.status is Status.QUARANTINED and reason else "lost"
