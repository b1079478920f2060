"""Tests: one module per room, shared suites beside them."""
