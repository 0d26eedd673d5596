"""The section ``search``: how the settings of a model are searched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from genlab.bounds import PositiveInt

__all__ = ["Search"]


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
