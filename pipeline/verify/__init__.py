"""Checks of what was written before it is kept: by correlation, and by listening again."""
