"""Adapters of the learned models: each implements a Protocol that a room of ``pipeline`` declares.

Importing this package costs nothing; the heavy library of an adapter is imported when the adapter is built.
``registry.toml`` lists the weights: source, sha256, size, licence.
"""
