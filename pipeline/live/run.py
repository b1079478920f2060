"""Running a live call: what a backlog holds is heard block by block; gives the messages in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pipeline.live.backlog import Backlog
    from pipeline.live.call import LiveCall
    from pipeline.live.messages import Message


def backlog_of(call: LiveCall) -> Backlog:
    """The backlog that a call is heard from."""
    from pipeline.live.backlog import Backlog

    stream = call.stream
    block = round(stream.pace.block_s * stream.rate_hz)
    return Backlog(len(stream.channels), stream.rate_hz, block, stream.waits)


def messages_of(call: LiveCall, backlog: Backlog) -> Iterator[Message]:
    """Everything that is told of the call, from ``started`` to ``ended``."""
    try:
        yield call.started()
        for block, last in backlog.blocks():
            yield from call.hear(block, backlog.received_s, last=last)
        yield call.ended()
    finally:
        backlog.abandon()
