"""One file per change of the tables, named by its number; a shipped file is never edited."""
