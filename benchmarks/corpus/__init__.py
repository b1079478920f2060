"""Labelled calls made from scripts: exact truth by construction, invented PII only, regenerated from a seed.

script.py     the calls as data (``scripts/*.toml``), filled with seeded values
values.py     invented people, cards, addresses; every number is a test number or one that is never issued
spoken.py     how a value is said: grouping, doubles, "oh", spelled letters, dates
sounds.py     where a phrase's sound comes from: Kokoro voices, real digits, real prompts, key tones; cached
assemble.py   phrases joined on one track per channel, with times exact to 10 ms
effects.py    telephone band, noise, sidetone; which bleed counts as audible
fetch.py      the voice model, put in the cache folder
codecs.py     mu-law, A-law, GSM, Opus, MP3, PCM files
build.py      one call end to end: audio, ``truth.json``, ``metadata.json``

``python -m benchmarks.corpus --seed 1`` builds the development set in the user's cache folder. Another seed gives other
values, voices, styles and channel effects from the same scripts; ``--set fresh``, ``held-out``, ``held-out-2``,
``held-out-3`` or ``wild`` take others.
"""
