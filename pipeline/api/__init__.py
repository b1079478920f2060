"""The hook: HTTP in, waiting calls out; see ``pipeline.api.app``."""
