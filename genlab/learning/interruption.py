"""Ctrl-C and SIGTERM: finish the step, save, and say how to go on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["Interrupted", "Interruption"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupted(BaseException):
    """The run was asked to stop from outside.

    Not an ``Exception``: like ``KeyboardInterrupt``, nothing on the way should swallow it.

    Attributes:
        signal: The signal that asked for it.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.signal = number

    @property
    def exit_status(self) -> int:
        """The shell's convention, 128 plus the signal's number: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + self.signal


class Interruption:
    """Turns signals into `Interrupted`: at once, or between two steps while training.

    A second signal does not wait for the step.

    Attributes:
        received: The signal that waits for the end of the present step, or None.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._request: Callable[[], None] | None = None

    def defer_to(self, request: Callable[[], None]) -> None:
        """From now on, answer a first signal by calling ``request`` instead of raising."""
        self._request = request

    def stop_deferring(self) -> None:
        """Raise at once again; a signal that still waits is raised now."""
        self._request = None
        if self.received is not None:
            raise Interrupted(self.received)

    @contextmanager
    def handled(self) -> Iterator[Interruption]:
        """Handle the signals inside the context; outside the main thread, leave them alone."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        before = {number: signal.signal(number, self._handle) for number in SIGNALS}
        try:
            yield self
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._request is None or self.received is not None:
            raise Interrupted(number)
        self.received = number
        self._request()
