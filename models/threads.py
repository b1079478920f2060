"""How many threads torch computes with: one, where calls share a machine with the recogniser's workers and each other.

A torch operation that is shared out among threads ends when the last of them does, and those that wait spin: on a
machine with other work this costs many times the computation. Whoever wants more cores computes several parts at once.
"""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def one_torch_thread() -> Iterator[int]:
    """One torch thread in this thread and those that it starts; gives how many it was, which it is again after."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield before
    finally:
        torch.set_num_threads(before)
