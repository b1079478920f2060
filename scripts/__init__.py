"""Scripts that a reader can run."""
