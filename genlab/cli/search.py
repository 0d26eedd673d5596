"""A search: how it goes, and its space in the words of a sweep, ``interval(a, b)`` and the like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from genlab.bounds import PositiveInt
from genlab.errors import UserError

if TYPE_CHECKING:
    from hydra.core.override_parser.types import Override

__all__ = ["Choice", "Dimension", "Interval", "Search", "Steps", "refuse_replicas", "split_space"]


@dataclass(frozen=True)
class Search:
    """What ``genlab tune`` is told beside the space.

    Attributes:
        trials: In all, those before a resume included.
        sampler: Optuna's: a tree of Parzen estimators, or uniform.
        pruning: Whether a trial ends that is worse at some step than the median of the others.
        random_trials: Before the sampler learns and pruning begins.
        workers: Processes that share the trials.
    """

    trials: PositiveInt
    sampler: Literal["tpe", "random"]
    pruning: bool
    random_trials: PositiveInt
    workers: PositiveInt


@dataclass(frozen=True)
class Interval:
    """Any number from ``low`` to ``high``, uniform on the logarithm if ``log``."""

    low: float
    high: float
    log: bool


@dataclass(frozen=True)
class Steps:
    """Whole numbers from ``low`` to ``high``, ``step`` apart."""

    low: int
    high: int
    step: int


@dataclass(frozen=True)
class Choice:
    """One of several values, as they are written on the command line."""

    values: tuple[str, ...]


Dimension = Interval | Steps | Choice


def split_space(words: Sequence[str]) -> tuple[dict[str, Dimension], list[str]]:
    """What is searched, by key, and the words that are fixed.

    >>> split_space(["model.bins=choice(4, 8)", "seed=1"])
    ({'model.bins': Choice(values=('4', '8'))}, ['seed=1'])

    Raises:
        UserError: A dimension is empty or cannot be logarithmic.
    """
    from hydra.core.override_parser.overrides_parser import OverridesParser

    space: dict[str, Dimension] = {}
    fixed = []
    for word, parsed in zip(
        words, OverridesParser.create().parse_overrides(list(words)), strict=True
    ):
        if parsed.is_sweep_override():
            space[parsed.get_key_element()] = _dimension(word, parsed)
        else:
            fixed.append(word)
    return space, fixed


def refuse_replicas(replicas: int) -> None:
    """Refuse to let a trial be several runs.

    Raises:
        UserError: There is more than one.
    """
    if replicas > 1:
        raise UserError(
            f"trainer.replicas={replicas}: a trial is one run; leave it out, and train the best "
            "words with several seeds by `genlab train`"
        )


def _dimension(word: str, parsed: Override) -> Dimension:
    from hydra.core.override_parser.types import IntervalSweep, RangeSweep

    sweep = parsed.value()
    if isinstance(sweep, IntervalSweep):
        assert sweep.start is not None
        assert sweep.end is not None
        low, high, log = float(sweep.start), float(sweep.end), "log" in sweep.tags
        if not low < high or (log and low <= 0):
            raise UserError(f"{word}: expected {'0 < ' if log else ''}low < high")
        return Interval(low, high, log)
    values = tuple(parsed.sweep_string_iterator())
    whole = isinstance(sweep, RangeSweep) and all(value.isdecimal() for value in values)
    if whole and len(values) > 1:
        numbers = [int(value) for value in values]
        return Steps(numbers[0], numbers[-1], numbers[1] - numbers[0])
    return Choice(values)
