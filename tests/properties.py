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
from genlab import nn
from genlab.nn import MLP
from genlab.paths import LinearPath

__all__ = ["AT_LEAST_TWO", "BIJECTIONS", "COSTLY", "MODELS", "disturb", "jacobian"]

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


# In single precision, as fine as the type resolves.
FINE = b.AdaptiveSolver(method="dopri8", rtol=1e-9, atol=1e-9)
SQUASH = partial(nn.ConcatSquashMLP, hidden=[8, 8], activation="tanh", frequencies=1)
RESIDUAL = partial(
    nn.ResidualMLP, width=8, blocks=2, activation="silu", waves=3, wave_scale=1.0, frequencies=1
)


def ode(velocity: nn.Velocity) -> b.ODE:
    return b.ODE(velocity, solver=FINE, evaluation=FINE, divergence="exact", gradient="backprop")


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
    "inverse": lambda dim, _: b.Inverse(b.LULinear(dim)),
    "ode-concat_squash": lambda dim, c: ode(SQUASH((dim,), context_dim=c)),
    "ode-residual_mlp": lambda dim, c: ode(RESIDUAL((dim,), context_dim=c)),
}

SMALL: dict[str, Any] = {"layers": 4, "hidden": [16, 16], "activation": "tanh"}


def nice(dim: int, **options: Any) -> m.NICE:
    return m.NICE((dim,), **{"scaling": True, **SMALL, **options})


def realnvp(dim: int, **options: Any) -> m.RealNVP:
    return m.RealNVP((dim,), **{"actnorm": False, "mixing": "none", **SMALL, **options})


def cnf(dim: int, **options: Any) -> m.CNF:
    solvers = {"solver": FINE, "evaluation": FINE}
    kinds = {"divergence": "exact", "gradient": "backprop"}
    return m.CNF((dim,), **{"network": SQUASH, **solvers, **kinds, **options})


def flow_matching(dim: int, **options: Any) -> m.FlowMatching:
    solvers = {"solver": FINE, "evaluation": FINE, "divergence": "exact"}
    kinds = {"prediction": "velocity", "source": "gaussian", "guidance": 1.0}
    path = LinearPath(sigma_0=0.0)
    return m.FlowMatching(
        (dim,), **{"network": RESIDUAL, "path": path, **solvers, **kinds, **options}
    )


MODELS: dict[str, Callable[..., m.Flow]] = {
    "nice": partial(nice, activation="relu"),
    "nice-unscaled": partial(nice, scaling=False),
    "realnvp": partial(realnvp, activation="relu"),
    "realnvp-actnorm": partial(realnvp, actnorm=True),
    "realnvp-lu": partial(realnvp, actnorm=True, mixing="lu"),
    "realnvp-permutation": partial(realnvp, mixing="permutation"),
    "cnf": cnf,
    "flow-matching": flow_matching,
}

# Conditioners need a coordinate that passes and one that is mapped.
AT_LEAST_TWO = {name for name in (*BIJECTIONS, *MODELS) if name.startswith(("coupling", "nice"))}
AT_LEAST_TWO |= {name for name in MODELS if name.startswith("realnvp")}
AT_LEAST_TWO |= {"alternating", "compose"}

# Each log-density is a solve: quadratures take coarser grids.
COSTLY = {name for name in MODELS if name.startswith(("cnf", "flow-matching"))}


def disturb(module: Module, scale: float = 0.3) -> Module:
    """Move all parameters away from their start, which is often the identity."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(scale * torch.randn_like(parameter))
    return module


def jacobian(f: Callable[[torch.Tensor], torch.Tensor], x: torch.Tensor) -> torch.Tensor:
    """The Jacobian of each row's image, by one gradient an output: no sample sees another."""
    x = x.detach().requires_grad_()
    outputs = f(x).sum(0)
    rows = [torch.autograd.grad(output, x, retain_graph=True)[0] for output in outputs]
    return torch.stack(rows, 1).detach()
