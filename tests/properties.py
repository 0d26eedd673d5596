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
from genlab.nn import MLP

__all__ = ["AT_LEAST_TWO", "BIJECTIONS", "DOMAINS", "MODELS", "disturb"]

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
    "coupling-bounded-affine": lambda dim, c: coupling(
        b.BoundedAffine(dim - dim // 2, alpha=0.6), dim, c, flip=False
    ),
    "alternating": lambda dim, c: b.AlternatingCouplings(
        coupling(b.Affine(), dim, c, flip=flip) for flip in (False, True, False)
    ),
    "scaled_couplings": lambda dim, c: b.ScaledCouplings(
        coupling(b.Affine(), dim, c, flip=flip) for flip in (False, True, False)
    ),
    "freeze": lambda dim, _: b.Freeze(b.LULinear(dim - dim // 2), dim - dim // 2),
    "cdf_layer": lambda dim, _: b.CDFLayer(dim, bins=32),
    "unit_box": lambda dim, _: b.UnitBox([-1.0, 3.0], dim),
    "logit": lambda *_: b.Logit(),
    "probit": lambda *_: b.Probit(),
    "compose": lambda dim, c: b.Compose(
        [b.ActNorm(dim), coupling(b.Affine(), dim, c, flip=False), b.LULinear(dim)]
    ),
}

# The interval that each coordinate of x lies in, where it is not the line.
DOMAINS = {"unit_box": (-1.0, 3.0), "logit": (0.0, 1.0), "probit": (0.0, 1.0)}

SMALL: dict[str, Any] = {"layers": 4, "hidden": [16, 16], "activation": "tanh"}


def nice(dim: int, **options: Any) -> m.NICE:
    return m.NICE((dim,), **{"scaling": True, **SMALL, **options})


def realnvp(dim: int, **options: Any) -> m.RealNVP:
    return m.RealNVP((dim,), **{"actnorm": False, "mixing": "none", **SMALL, **options})


def krnet(dim: int, **options: Any) -> m.KRNet:
    krnet = {"groups": 3, "alpha": 0.6, "rotation": True, "bins": 32, "bounded": None, "base": None}
    return m.KRNet((dim,), **{**krnet, **SMALL, **options})


MODELS: dict[str, Callable[..., m.Flow]] = {
    "nice": partial(nice, activation="relu"),
    "nice-unscaled": partial(nice, scaling=False),
    "realnvp": partial(realnvp, activation="relu"),
    "realnvp-actnorm": partial(realnvp, actnorm=True),
    "realnvp-lu": partial(realnvp, actnorm=True, mixing="lu"),
    "realnvp-permutation": partial(realnvp, mixing="permutation"),
    "krnet": krnet,
    "krnet-plain": partial(krnet, rotation=False, bins=None, base="logistic", activation="relu"),
    "krnet-box": partial(krnet, bounded=[-10.0, 12.0]),
    "krnet-box-normal": partial(krnet, bounded=[-10.0, 12.0], base="normal"),
}

# Conditioners need a coordinate that passes and one that is mapped.
AT_LEAST_TWO = {name for name in BIJECTIONS if "coupling" in name} | {"alternating", "compose"}
AT_LEAST_TWO |= {name for name in MODELS if name.startswith(("nice", "realnvp"))}


def disturb(module: Module, scale: float = 0.3) -> Module:
    """Move all parameters away from their start, which is often the identity."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return module
