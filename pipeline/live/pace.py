"""How the delay of a live call is spent: waiting for pauses, for the recogniser, and for what is said next. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.speech import FRAME_S, WINDOW_S

MIN_DELAY_S, MAX_DELAY_S = 12.0, 300.0
MARGIN_S = 2.0  # audio this near to what is not heard yet does not come out: collars and doubts reach over it
_BLOCK_FRAMES = 160  # the detector of voice looks at ten seconds at once


@dataclass(frozen=True, slots=True)
class Pace:
    """Seconds by purpose, all shares of the delay.

    Args:
        delay_s: no sample comes out later than this after it came in, as long as the machine keeps up.
        block_s: what is heard at once; whole frames of the voice activity detector.
        window_s: the longest stretch of speech that is waited for.
        hold_s: how long speech waits for other speech to share its window with.
        skip_s: audio that waited longer to be heard is not heard any more.
        slack_s: audio comes out so much before it must, for the next block may take longer than this one.
    """

    delay_s: float
    block_s: float
    window_s: float
    hold_s: float
    skip_s: float
    slack_s: float

    @classmethod
    def of(cls, delay_s: float) -> Pace:
        """The shares of a delay between MIN_DELAY_S and MAX_DELAY_S."""
        return cls(
            delay_s=delay_s,
            block_s=min(int(delay_s / 6 / FRAME_S), _BLOCK_FRAMES) * FRAME_S,
            window_s=min(delay_s / 3, WINDOW_S),
            hold_s=delay_s / 4,
            skip_s=delay_s / 2,
            slack_s=delay_s / 15,
        )
