"""The consent set: short labelled calls, a keyword baseline and a scorer."""
