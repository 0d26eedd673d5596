"""What the property suite walks over: a layer or a family joins it by one line.

Each entry makes a fresh object from the number of coordinates and the width of the context.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import torch

from genlab import bijections as b
from genlab import models as m
from genlab.densities import Density
from genlab.nn import MLP

__all__ = ["AT_LEAST_TWO", "BIJECTIONS", "MODELS", "disturb"]

Module = TypeVar("Module", bound=torch.nn.Module)


def coupling(scalar_map: b.ScalarMap, dim: int, context_dim: int, *, flip: bool) -> b.Coupling:
    split = b.HalfSplit(dim, flip=flip)
    width = split.active * scalar_map.n_parameters
    network = MLP(
        split.passive,
        width,
        hidden=[16],
        activation="tanh",
        context_dim=context_dim,
        zero_last=True,
    )
    return b.Coupling(split, scalar_map, network)


BIJECTIONS: dict[str, Callable[[int, int], b.Bijection]] = {
    "actnorm": lambda dim, _: b.ActNorm(dim),
    "scaling": lambda dim, _: b.Scaling(dim),
    "standardise": lambda dim, _: b.Standardise((dim,)),
    "permutation": lambda dim, _: b.Permutation.random(dim),
    "lu_linear": lambda dim, _: b.LULinear(dim),
    "coupling-shift": lambda dim, c: coupling(b.Shift(), dim, c, flip=False),
    "coupling-affine": lambda dim, c: coupling(b.Affine(), dim, c, flip=False),
    "coupling-affine-flip": lambda dim, c: coupling(b.Affine(), dim, c, flip=True),
    "alternating": lambda dim, c: b.AlternatingCouplings(
        coupling(b.Affine(), dim, c, flip=flip) for flip in (False, True, False)
    ),
    "compose": lambda dim, c: b.Compose(
        [b.ActNorm(dim), coupling(b.Affine(), dim, c, flip=False), b.LULinear(dim)]
    ),
}

SMALL: dict[str, Any] = {"layers": 4, "hidden": [16, 16], "activation": "tanh"}


def nice(dim: int, **options: Any) -> m.NICE:
    return m.NICE((dim,), **{"scaling": True, **SMALL, **options})


def realnvp(dim: int, **options: Any) -> m.RealNVP:
    return m.RealNVP((dim,), **{"actnorm": False, "mixing": "none", **SMALL, **options})


def gmm(dim: int, **options: Any) -> m.GMM:
    usual = {
        "components": 5,
        "max_components": 8,
        "covariance": "full",
        "fit": "em",
        "start": "kmeans++",
        "restarts": 1,
        "tolerance": 1e-5,
        "covariance_floor": 1e-6,
    }
    return m.GMM((dim,), **{**usual, **options})


MODELS: dict[str, Callable[..., Density]] = {
    "gmm": gmm,
    "gmm-tied": partial(gmm, covariance="tied"),
    "gmm-diag": partial(gmm, covariance="diag", start="random"),
    "gmm-spherical": partial(gmm, covariance="spherical"),
    "nice": partial(nice, activation="relu"),
    "nice-unscaled": partial(nice, scaling=False),
    "realnvp": partial(realnvp, activation="relu"),
    "realnvp-actnorm": partial(realnvp, actnorm=True),
    "realnvp-lu": partial(realnvp, actnorm=True, mixing="lu"),
    "realnvp-permutation": partial(realnvp, mixing="permutation"),
}

# Conditioners need a coordinate that passes and one that is mapped.
COUPLED = ("alternating", "compose", "coupling", "nice", "realnvp")
AT_LEAST_TWO = {name for name in (*BIJECTIONS, *MODELS) if name.startswith(COUPLED)}


def disturb(module: Module, scale: float = 0.3) -> Module:
    """Move all parameters away from their start, which is often the identity."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return module
