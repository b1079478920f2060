"""`make demo`: a real call goes through callseal, step by step, with the commands a user would type."""

from __future__ import annotations

import json
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
CALL, METADATA = ROOT / "scripts" / "demo" / "call.wav", ROOT / "scripts" / "demo" / "call.json"
OUT = ROOT / "demo-out"
DATA = OUT / "data"
CALL_ID = "demo-call"


def main() -> None:
    """Process, look, export, draw, erase."""
    shutil.rmtree(OUT, ignore_errors=True)
    OUT.mkdir()
    print("A real telephone call of 44 s, two channels, 8 kHz mu-law (Apache-2.0, see scripts/demo/README.md).")
    say("It is redacted, judged and sealed:")
    callseal("process", CALL, "--metadata", METADATA)
    say("What may leave goes to a folder:")
    callseal("export", CALL_ID, "--to", OUT)
    show_transcript(OUT / "transcript.json")
    draw(CALL, OUT / "redacted.wav", OUT / "manifest.json", OUT / "redacted.png")
    print(f"\npicture of what was redacted: {shown(OUT / 'redacted.png')}")
    say("What lies on the disk is sealed; the names say nothing:")
    for file in sorted((DATA / "objects").rglob("*")):
        if file.is_file():
            print(f"  {shown(file)}  {file.stat().st_size} bytes")
    say("The caller asks for erasure, spelling the number another way:")
    callseal("delete", "--caller", "202.555.0143", "--yes")
    say("Nothing is left to show:")
    callseal("show", CALL_ID, expect=5)
    print("\nListen to demo-out/redacted.wav, read demo-out/transcript.vtt.")


def say(text: str) -> None:
    """A line of the story."""
    print(f"\n== {text}", flush=True)


def callseal(*arguments: str | Path, expect: int = 0) -> None:
    """Run the command, showing how it would be typed."""
    command = [str(shown(each)) if isinstance(each, Path) else each for each in arguments]
    print(f"$ callseal {shlex.join([*command, '--data-dir', str(shown(DATA))])}", flush=True)
    program = Path(sys.executable).with_name("callseal")
    done = subprocess.run([program, *command, "--data-dir", shown(DATA)], cwd=ROOT, check=False)
    if done.returncode != expect:
        sys.exit(f"callseal ended with {done.returncode} where {expect} was due")


def shown(path: Path) -> Path:
    """A path as seen from the repository."""
    return path.relative_to(ROOT)


def show_transcript(file: Path) -> None:
    """The first turns, redacted."""
    print("\nthe transcript begins:")
    for turn in json.loads(file.read_text())["turns"][:6]:
        print(f"  {turn['start_s']:6.1f} s  {turn['speaker']:9} {turn['text'][:96]}")


def draw(before: Path, after: Path, manifest: Path, picture: Path) -> None:
    """Waveforms of every channel before and after, with the redacted spans marked."""
    import matplotlib as mpl

    mpl.use("Agg")
    import soundfile
    from matplotlib import pyplot as plt

    made = json.loads(manifest.read_text())
    channels = made["source"]["channels"]
    figure, axes = plt.subplots(2 * len(channels), 1, figsize=(14, 7), sharex=True, layout="constrained")
    for column, (title, file) in enumerate((("before", before), ("after", after))):
        samples, rate = soundfile.read(file, always_2d=True)
        times = np.arange(len(samples)) / rate
        for row, channel in enumerate(channels):
            axis = axes[2 * row + column]
            axis.plot(times, samples[:, row], linewidth=0.4, color="#1f4e79")
            axis.set_ylabel(f"{channel}\n{title}")
            axis.set_yticks([])
            for redaction in made["redactions"]:
                if redaction["channel"] == channel:
                    axis.axvspan(redaction["start_s"], redaction["end_s"], color="#c0392b", alpha=0.25)
                    if column == 0:
                        axis.text(redaction["start_s"], axis.get_ylim()[1], redaction["entity_type"], fontsize=7)
    axes[-1].set_xlabel("seconds; red is redacted")
    figure.savefig(picture, dpi=110)


if __name__ == "__main__":
    main()
