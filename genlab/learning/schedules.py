"""Learning-rate schedules: pure functions of the step, so that a resumed run continues exactly.

Each gives the factor on the optimiser's learning rate for the update number ``step`` (from 0) of
``max_steps``. Those with ``warmup`` rise linearly over that fraction of the steps and spend the
rest on their own shape. ``final`` is the factor that is reached at ``max_steps`` and kept beyond.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Protocol, runtime_checkable

from genlab.bounds import Bound, Fraction, PositiveInt

__all__ = ["Constant", "Cosine", "Exponential", "Linear", "OneCycle", "Schedule", "StepDecay"]


@runtime_checkable
class Schedule(Protocol):
    """The factor on the learning rate for one update."""

    def __call__(self, step: int, max_steps: int) -> float:
        """Factor for the update number ``step``, ``0 <= step``, of ``max_steps``."""


@dataclass(frozen=True, kw_only=True)
class Constant:
    """The full learning rate, after a linear rise."""

    warmup: Fraction

    def __call__(self, step: int, max_steps: int) -> float:
        return _rise(step, self.warmup, max_steps)


@dataclass(frozen=True, kw_only=True)
class Cosine:
    """``final + (1 - final) (1 + cos(pi t)) / 2`` for t from 0 to 1.

    Loshchilov and Hutter, "SGDR: stochastic gradient descent with warm restarts" (2017), eq. 5,
    without restarts.
    """

    warmup: Fraction
    final: Fraction

    def __call__(self, step: int, max_steps: int) -> float:
        t = _elapsed(step, self.warmup, max_steps)
        return _rise(step, self.warmup, max_steps) * _cosine(1.0, self.final, t)


@dataclass(frozen=True, kw_only=True)
class Linear:
    """``1 - (1 - final) t`` for t from 0 to 1."""

    warmup: Fraction
    final: Fraction

    def __call__(self, step: int, max_steps: int) -> float:
        t = _elapsed(step, self.warmup, max_steps)
        return _rise(step, self.warmup, max_steps) * (1 - (1 - self.final) * t)


@dataclass(frozen=True, kw_only=True)
class StepDecay:
    """``factor ** floor(step / every)``."""

    every: PositiveInt
    factor: Fraction

    def __call__(self, step: int, max_steps: int) -> float:
        return float(self.factor ** (step // self.every))


@dataclass(frozen=True, kw_only=True)
class Exponential:
    """``final ** t`` for t from 0 to 1."""

    warmup: Fraction
    final: Annotated[float, Bound(0, 1, open_low=True)]

    def __call__(self, step: int, max_steps: int) -> float:
        t = _elapsed(step, self.warmup, max_steps)
        return float(_rise(step, self.warmup, max_steps) * self.final**t)


@dataclass(frozen=True, kw_only=True)
class OneCycle:
    """A cosine up from ``start``, the full rate at ``peak_at`` of the steps, a cosine to ``final``.

    Smith and Topin, "Super-convergence: very fast training of neural networks using large learning
    rates" (2019). The last update is made with exactly ``final``.
    """

    peak_at: Annotated[float, Bound(0, 1, open_low=True, open_high=True)]
    start: Fraction
    final: Fraction

    def __call__(self, step: int, max_steps: int) -> float:
        last = max(max_steps - 1, 1)
        peak = min(max(self.peak_at * max_steps - 1, 0.0), last - 1.0)
        if step <= peak:
            return _cosine(self.start, 1.0, step / peak if peak else 1.0)
        return _cosine(1.0, self.final, min((step - peak) / (last - peak), 1.0))


def _rise(step: int, warmup: float, max_steps: int) -> float:
    """The linear rise over ``w`` steps: ``1 / (w + 1)`` at step 0, 1 from step ``w`` on."""
    return min((step + 1) / (round(warmup * max_steps) + 1), 1.0)


def _elapsed(step: int, warmup: float, max_steps: int) -> float:
    """The fraction of the steps after the rise that lies behind ``step``."""
    rise = round(warmup * max_steps)
    return min(max(step - rise, 0) / max(max_steps - rise, 1), 1.0)


def _cosine(begin: float, end: float, t: float) -> float:
    """Half a cosine from ``begin`` at t = 0 to ``end`` at t = 1."""
    return end + (begin - end) * (1 + math.cos(math.pi * t)) / 2
