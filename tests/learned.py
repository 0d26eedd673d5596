"""Small samplers with a model, one of each kind, for every family."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from properties import MODELS
from torch import Tensor

from genlab.bijections import FixedStepSolver
from genlab.densities import Density
from genlab.pde import Box, Domain
from genlab.samplers import (
    AAS,
    DAS,
    Bootstrap,
    Descent,
    Points,
)
from genlab.samplers.model_based import ModelSampler

__all__ = ["LOOP", "SAMPLERS", "SQUARE", "make", "peak", "refreshed"]

SQUARE = Box([(-1.0, 1.0)] * 2)
LOOP: dict[str, Any] = {"steps": 4, "lr": 1e-3, "batch_size": 32, "gradient_clip": 5.0}
SAMPLERS: dict[str, Callable[..., ModelSampler]] = {
    "das": partial(DAS, added=None),
    "das-grow": partial(DAS, added=30),
    "bootstrap": partial(Bootstrap, resampling="systematic", jitter=0.01),
    "aas": partial(AAS, beta=0.01),
}
COARSE = FixedStepSolver(method="rk4", steps=4)
CONTINUOUS = {"solver": COARSE, "evaluation": COARSE}
OPTIONS = {"cnf": CONTINUOUS, "flow-matching": CONTINUOUS}


def family(name: str, dim: int = 2) -> Density:
    return MODELS[name](dim, **OPTIONS.get(name, {}))


def make(kind: str, name: str = "realnvp", domain: Domain = SQUARE, **own: Any) -> ModelSampler:
    """A small sampler; keywords replace what it would have."""
    common: dict[str, Any] = {
        "domain": domain,
        "n_points": 100,
        "seed": 1,
        "model": family(name),
        "alpha": 0.5,
        "candidates": 400,
        "confine": "logistic",
        "fit": Descent(**LOOP),
    }
    return SAMPLERS[kind](**common | own)


def peak(x: Tensor) -> Tensor:
    return (-20 * (x - 0.3).square().sum(1)).exp()


def refreshed(sampler: ModelSampler, times: int = 1) -> Points:
    """The points after some refreshes, the first uniform ones not counted."""
    points = sampler.refresh(None, peak)
    for _ in range(times):
        points = sampler.refresh(points, peak)
    return points
