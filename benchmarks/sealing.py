"""What sealing costs: ``python -m benchmarks.sealing``. Time to seal and to open, as a ratio to raw AES-256-GCM.

Both run on the same buffers in the same process, taking turns, and the least of several runs counts. Raw AES-GCM
is OpenSSL's through ``cryptography``, in segments of 1 MiB, without files, headers or a place to be bound to: a bound
that nothing can beat.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import time
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from pipeline.keys import binding, new_data_key
from pipeline.seal import open_reader, seal_writer

if TYPE_CHECKING:
    from collections.abc import Callable

MIB = 1 << 20
PLACE = binding("benchmark")


def least_s(works: dict[str, Callable[[], object]], runs: int) -> dict[str, float]:
    """The shortest of several runs of each, in seconds; they take turns, so that a busy machine slows all alike."""
    times: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(runs):
        for name, work in works.items():
            begun = time.perf_counter()
            work()
            times[name].append(time.perf_counter() - begun)
    return {name: min(taken) for name, taken in times.items()}


def measure(size_bytes: int, runs: int) -> dict[str, float]:
    """Seconds to seal and to open a buffer, raw and sealed, and their ratios."""
    plain, key, raw = os.urandom(size_bytes), new_data_key(), AESGCM(AESGCM.generate_key(256))
    view, nonce = memoryview(plain), bytes(12)
    parts = [view[start : start + MIB] for start in range(0, size_bytes, MIB)]
    raw_sealed = [raw.encrypt(nonce, part, PLACE) for part in parts]  # one nonce for all: nothing here is kept

    def seal() -> bytes:
        sink = io.BytesIO()
        writer = seal_writer(sink, key, PLACE)
        for part in parts:
            writer.write(part)
        writer.close()
        return sink.getvalue()

    sealed = seal()

    def unseal() -> None:
        with open_reader(lambda: io.BytesIO(sealed), key, PLACE, size_bytes) as reader:
            while reader.read(MIB):
                pass

    works: dict[str, Callable[[], object]] = {
        "raw_seal_s": lambda: [raw.encrypt(nonce, part, PLACE) for part in parts],
        "seal_s": seal,
        "raw_open_s": lambda: [raw.decrypt(nonce, part, PLACE) for part in raw_sealed],
        "open_s": unseal,
    }
    found = least_s(works, runs)
    return {
        "mib": size_bytes / MIB,
        **found,
        "seal_ratio": found["seal_s"] / found["raw_seal_s"],
        "open_ratio": found["open_s"] / found["raw_open_s"],
    }


def main() -> None:
    """Measures and prints a table, or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--mib", type=float, nargs="+", default=[0.5, 5, 50])
    parser.add_argument("--runs", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    rows = [measure(round(mib * MIB), options.runs) for mib in options.mib]
    if options.json:
        print(json.dumps({"sealing": rows}))
        return
    print(f"{'MiB':>6} {'seal ms':>9} {'raw ms':>8} {'ratio':>6} {'open ms':>9} {'raw ms':>8} {'ratio':>6}")
    for row in rows:
        seal_ms, raw_seal_ms, open_ms, raw_open_ms = (
            1000 * row[name] for name in ("seal_s", "raw_seal_s", "open_s", "raw_open_s")
        )
        print(
            f"{row['mib']:6.1f} {seal_ms:9.2f} {raw_seal_ms:8.2f} {row['seal_ratio']:6.1f}"
            f" {open_ms:9.2f} {raw_open_ms:8.2f} {row['open_ratio']:6.1f}"
        )


if __name__ == "__main__":
    main()
