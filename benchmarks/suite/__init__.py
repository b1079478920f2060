"""The benchmark suite behind ``callseal bench``: a registry of measures, each of which gives figures with their spread.

``measures.MEASURES`` names them; ``run`` carries them out, one after the other, and writes one JSON file; ``compare``
says what got worse between two files; ``tables`` and ``page`` show one. A new measure is a function of ``Setting``
that gives a ``Result``, and one line in the registry.
"""
