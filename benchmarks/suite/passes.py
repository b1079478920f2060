"""What every chain gives for a call: seconds, seconds by stage, and what it redacted."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Pass:
    """One call through one chain; ``transcript`` is redacted and has the shape of ``transcript.json``."""

    seconds: float
    stages_s: dict[str, float]
    redactions: Sequence[dict[str, Any]] = field(repr=False)
    transcript: dict[str, Any] | None = field(repr=False)
    status: str = "stored"
