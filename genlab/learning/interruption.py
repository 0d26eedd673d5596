"""Ctrl-C and SIGTERM: finish the step, save, and say how to go on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from genlab.errors import Interrupted

__all__ = ["Interruption"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
        before = {number: signal.getsignal(number) for number in SIGNALS}
        self.install()
        try:
            yield self
        finally:
            if _is_main_thread():
                for number, handler in before.items():
                    signal.signal(number, handler)

    def install(self) -> None:
        """Put the handlers in place, above whatever has been put there since."""
        if _is_main_thread():
            for number in SIGNALS:
                signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._request is None or self.received is not None:
            raise Interrupted(number)
        self.received = number
        self._request()


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
