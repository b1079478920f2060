"""Erasure by caller: plan, order of writes, proof, certificate, and the ledger that outlives it."""
