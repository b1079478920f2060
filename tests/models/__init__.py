"""Tests of the adapters in ``models/``, with their real weights."""
