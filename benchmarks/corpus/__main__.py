"""Build the corpus: ``python -m benchmarks.corpus [--set dev] [--seed 1] [--calls N] [--only ID ...] [--again]``."""

from __future__ import annotations

import argparse
import random
import time
from pathlib import Path

from benchmarks.corpus import build, script


def main() -> None:
    """Build what is missing and print one line per call."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=__doc__)
    parser.add_argument("--set", choices=script.FILES, default="dev")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--calls", type=int, help="N scripts of mixed kinds only")
    parser.add_argument("--only", nargs="*", help="ids of scripts")
    parser.add_argument("--again", action="store_true", help="rebuild calls that exist")
    parser.add_argument(
        "--subset", type=Path, metavar="DIR", help="write the few small calls that the tests carry, and stop"
    )
    args = parser.parse_args()
    if args.subset:
        for folder in build.build_subset(args.subset, args.seed):
            print(folder)
        return
    templates = list(script.of_set(args.set))
    random.Random(0).shuffle(templates)  # noqa: S311 - so that the first N are of every kind
    for template in templates[: args.calls]:
        if args.only and template.id not in args.only:
            continue
        began = time.monotonic()
        folder = build.build_all(args.seed, only={template.id}, again=args.again)[0]
        print(f"{time.monotonic() - began:6.1f} s  {folder}", flush=True)


if __name__ == "__main__":
    main()
