"""Faults: real processes are killed and real servers fail where it hurts; what became of every call is counted.

``python -m tests.faults`` prints the table; each room beside it makes the faults of one kind and gives their rows.
"""
