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
from genlab.nn import MLP, LipschitzMLP

__all__ = ["AT_LEAST_TWO", "BIJECTIONS", "ESTIMATES", "MODELS", "disturb"]

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


def residual(dim: int, context_dim: int, **options: Any) -> b.ResidualBlocks:
    settings = {"stack": 1, "activation": "sine", "actnorm": False, "solver": "anderson"} | options
    network = LipschitzMLP(
        settings["stack"],
        dim,
        hidden=[16, 12],
        activation=settings["activation"],
        bound=0.9,
        context_dim=context_dim,
    )
    how = b.ResidualOptions("exact", 2, 20, "neumann", settings["solver"], 1e-12)
    return b.ResidualBlocks(network, how, actnorm=settings["actnorm"])


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
    "residual": residual,
    "residual-plain": partial(residual, activation="lipswish", solver="plain"),
    "residual-blocks": partial(residual, stack=3, actnorm=True),
    "compose": lambda dim, c: b.Compose(
        [b.ActNorm(dim), coupling(b.Affine(), dim, c, flip=False), b.LULinear(dim)]
    ),
}

SMALL: dict[str, Any] = {"layers": 4, "hidden": [16, 16], "activation": "tanh"}


def nice(dim: int, **options: Any) -> m.NICE:
    return m.NICE((dim,), **{"scaling": True, **SMALL, **options})


def realnvp(dim: int, **options: Any) -> m.RealNVP:
    return m.RealNVP((dim,), **{"actnorm": False, "mixing": "none", **SMALL, **options})


def resflow(dim: int, **options: Any) -> m.ResFlow:
    settings = SMALL | {
        "activation": "sine",
        "lipschitz": 0.98,
        "log_det": "exact",
        "terms": 2,
        "evaluation_terms": 20,
        "gradient": "neumann",
        "solver": "anderson",
        "tolerance": 1e-12,
        "actnorm": True,
    }
    return m.ResFlow((dim,), **{**settings, **options})


MODELS: dict[str, Callable[..., m.Flow]] = {
    "nice": partial(nice, activation="relu"),
    "nice-unscaled": partial(nice, scaling=False),
    "realnvp": partial(realnvp, activation="relu"),
    "realnvp-actnorm": partial(realnvp, actnorm=True),
    "realnvp-lu": partial(realnvp, actnorm=True, mixing="lu"),
    "realnvp-permutation": partial(realnvp, mixing="permutation"),
    "resflow": resflow,
    "resflow-lipswish": partial(resflow, activation="lipswish", actnorm=False, solver="plain"),
    "resflow-roulette": partial(resflow, log_det="russian_roulette", lipschitz=0.9),
    "resflow-series": partial(resflow, log_det="power_series", gradient="direct", lipschitz=0.9),
}

# Conditioners need a coordinate that passes and one that is mapped.
AT_LEAST_TWO = {name for name in BIJECTIONS if "coupling" in name} | {"alternating", "compose"}
AT_LEAST_TWO |= {name for name in MODELS if not name.startswith("resflow")}

# Families whose log-density is a random estimate: repeatable, but not that of a density.
ESTIMATES = {"resflow-roulette", "resflow-series"}


def disturb(module: Module, scale: float = 0.3) -> Module:
    """Move all parameters away from their start, which is often the identity."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return module
