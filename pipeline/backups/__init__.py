"""Backups to a second place, and the way back without what was erased."""
