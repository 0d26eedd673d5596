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
from genlab.models.spline_layers import SplineLayers
from genlab.nn import MLP

__all__ = ["AT_LEAST_TWO", "BIJECTIONS", "CIRCULAR", "MODELS", "disturb"]

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


def splines(dim: int, context_dim: int, *, angles: int = 0) -> SplineLayers:
    """Layers of splines; the first coordinates are angles."""
    return SplineLayers(
        is_angle=tuple(i < angles for i in range(dim)),
        bins=4,
        bound=3.0,
        hidden=[16],
        activation="tanh",
        context_dim=context_dim,
    )


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
    "spline": lambda dim, c: splines(dim, c).elementwise(),
    "coupling-spline": lambda dim, c: splines(dim, c).coupling(flip=False),
    "half-free": lambda dim, c: splines(dim, c).half_free(flip=False),
    "half-free-flip": lambda dim, c: splines(dim, c).half_free(flip=True),
    "autoregressive": lambda dim, c: splines(dim, c).autoregressive(flip=False),
    "autoregressive-flip": lambda dim, c: splines(dim, c).autoregressive(flip=True),
    "circular": lambda dim, c: splines(dim, c, angles=dim).elementwise(),
    "circular-coupling": lambda dim, c: splines(dim, c, angles=dim).coupling(flip=False),
    "circular-half-free": lambda dim, c: splines(dim, c, angles=dim).half_free(flip=True),
    "cylinder": lambda dim, c: splines(dim, c, angles=1).half_free(flip=False),
    "cylinder-autoregressive": lambda dim, c: splines(dim, c, angles=1).autoregressive(flip=True),
}
# Bijections of angles, which are only defined up to full turns.
CIRCULAR = {name for name in BIJECTIONS if name.startswith(("circular", "cylinder"))}

SMALL: dict[str, Any] = {"layers": 4, "hidden": [16, 16], "activation": "tanh"}


def nice(dim: int, **options: Any) -> m.NICE:
    return m.NICE((dim,), **{"scaling": True, **SMALL, **options})


def realnvp(dim: int, **options: Any) -> m.RealNVP:
    return m.RealNVP((dim,), **{"actnorm": False, "mixing": "none", **SMALL, **options})


def nsf(dim: int, **options: Any) -> m.NSF:
    own = {"bins": 4, "bound": 3.0, "variant": "coupling", "free_half": True, "mixing": "none"}
    return m.NSF((dim,), **{"circular": [], **own, **SMALL, "layers": 2, **options})


MODELS: dict[str, Callable[..., m.Flow]] = {
    "nice": partial(nice, activation="relu"),
    "nice-unscaled": partial(nice, scaling=False),
    "realnvp": partial(realnvp, activation="relu"),
    "realnvp-actnorm": partial(realnvp, actnorm=True),
    "realnvp-lu": partial(realnvp, actnorm=True, mixing="lu"),
    "realnvp-permutation": partial(realnvp, mixing="permutation"),
    "nsf": partial(nsf, activation="relu"),
    "nsf-half": partial(nsf, free_half=False),
    "nsf-autoregressive": partial(nsf, variant="autoregressive"),
    "nsf-lu": partial(nsf, mixing="lu"),
    "nsf-permutation": partial(nsf, mixing="permutation"),
}

# Conditioners need a coordinate that passes and one that is mapped.
PARTS = ("coupling", "half-free", "alternating", "compose", "cylinder", "nice", "realnvp")
AT_LEAST_TWO = {name for name in (*BIJECTIONS, *MODELS) if any(part in name for part in PARTS)}


def disturb(module: Module, scale: float = 0.2) -> Module:
    """Move all parameters away from their start, which is often the identity."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return module
