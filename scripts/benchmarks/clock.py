"""The seconds of a piece of work that goes on, and what is seen of it at times."""

from __future__ import annotations

import math
import resource
import time
from collections.abc import Callable
from typing import Any

__all__ = ["Clock"]


class Clock:
    """Seconds so far, and what is seen about each so many of them; seeing takes none.

    Args:
        see: What is noted of the state of the work.
        every: Seconds between two looks.
        limit: Seconds that the work has.

    Attributes:
        seconds: Of each look, by the wall clock.
        processor: The same of the processor, with the processes that have ended.
        seen: What was noted.
    """

    def __init__(
        self, see: Callable[[Any], Any], *, every: float = 1.0, limit: float = math.inf
    ) -> None:
        self.see = see
        self.every = every
        self.limit = limit
        self.seconds: list[float] = []
        self.processor: list[float] = []
        self.seen: list[Any] = []
        self.start()

    def start(self) -> None:
        """Count from now on."""
        self._before, self._next = (0.0, 0.0), self.every
        self.resume()

    def pause(self) -> None:
        """Count no further."""
        self._before = self._gone()

    def resume(self) -> None:
        """Count on from now."""
        self._since = now()

    @property
    def gone(self) -> float:
        """The seconds so far."""
        return self._gone()[0]

    def _gone(self) -> tuple[float, float]:
        wall, processor = (
            before + (present - since)
            for before, present, since in zip(self._before, now(), self._since, strict=True)
        )
        return wall, processor

    def look(self, state: Any) -> float:
        """The seconds so far; where it is time to, the state is noted."""
        gone = self.gone
        if gone >= self._next:
            self.note(state)
            self._next = (gone // self.every + 1) * self.every
        return gone

    def note(self, state: Any) -> None:
        """See the state as it is now."""
        self.pause()
        self.seconds.append(self._before[0])
        self.processor.append(self._before[1])
        self.seen.append(self.see(state))
        self.resume()


def now() -> tuple[float, float]:
    """Seconds by the wall clock, and of the processor for this process and those that it ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return time.perf_counter(), sum(each.ru_utime + each.ru_stime for each in used)
