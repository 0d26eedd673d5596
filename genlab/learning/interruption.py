"""Ctrl-C, SIGTERM, and the signal of a cluster: finish the step, save, and say how to go on."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from genlab.errors import Interrupted
from genlab.slurm import requeue_signal

__all__ = ["Interruption"]


class Interruption:
    """Turns signals into `Interrupted`: at once, or between two steps while training.

    A second signal does not wait for the step. That of a cluster does, beside any other: where a
    job is pushed aside, both come at once.

    Attributes:
        received: The signal that waits for the end of the present step, or None; that of the
            cluster if it was one of them.
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
        before = {number: signal.getsignal(number) for number in _signals()}
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
            for number in _signals():
                signal.signal(number, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        first, of_cluster = self.received is None, requeue_signal()
        if self._request is None or not (first or of_cluster in (number, self.received)):
            raise Interrupted(number)
        if first or number == of_cluster:
            self.received = number
        if first:
            self._request()


def _signals() -> tuple[signal.Signals, ...]:
    of_cluster = requeue_signal()
    return (signal.SIGINT, signal.SIGTERM, *([of_cluster] if of_cluster else []))


def _is_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()
