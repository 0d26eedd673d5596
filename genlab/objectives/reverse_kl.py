"""The principle of reverse KL: learning a density from its energy, without any samples of it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from genlab.densities.density import Density

__all__ = ["EnergyFunction", "anneal", "log_weights", "reverse_kl"]

EnergyFunction = Callable[..., Float[Tensor, " n"]]
"""``U(x)``, or ``U(x, context)`` where there is a context, in nats and differentiable in x."""


def reverse_kl(
    model: Density,
    energy: EnergyFunction,
    n: int,
    context: Shaped[Tensor, "..."] | None = None,
    *,
    beta: float | Float[Tensor, ""] = 1.0,
    origin: float = 0.0,
    cut: float | None = None,
    generator: torch.Generator | None = None,
) -> Float[Tensor, ""]:
    """``E[log p(x | c) + beta (U(x, c) - U_0)] + U_0`` over samples of the model, in nats.

    At ``beta = 1`` it is ``KL(p || e^{-U} / Z) - log Z``, so no density is below ``-log Z``.
    Gradients pass through the samples (Rezende, Mohamed, "Variational inference with normalizing
    flows", 2015, equation 15, with the inverse temperature of its section 6.1).

    Args:
        model: The density, with reparametrised samples.
        energy: What the density shall be, up to a constant.
        n: Number of samples.
        context: One row (broadcast) or n rows, as in `Density.sample`.
        beta: Inverse temperature.
        origin: The energy ``U_0`` that is the same at all temperatures. With a typical one, values
            at different ``beta`` are comparable; gradients do not depend on it.
        cut: Nats above the lowest ``beta U`` of the samples beyond which only the logarithm of the
            excess counts, so that no outlier rules the step (Noe et al., "Boltzmann generators",
            2019, supplement); None to take every energy as it is.
        generator: Source of the samples; torch's global one if None.
    """
    x, log_p = model.sample_with_log_prob(n, context, generator=generator)
    heat = beta * (_energy(energy, x, context) - origin)
    if cut is not None:
        highest = heat.detach().min() + cut
        excess = (heat - highest).clamp_min(0)
        heat = torch.where(excess > 0, highest + excess.log1p(), heat)
    return (log_p + heat).mean() + origin


def log_weights(
    model: Density,
    energy: EnergyFunction,
    n: int,
    context: Shaped[Tensor, "..."] | None = None,
    *,
    generator: torch.Generator | None = None,
) -> Float[Tensor, " n"]:
    """``log e^{-U(x)} / p(x)`` at samples of the model: their weights under the target.

    Minus their mean is `reverse_kl`; how equal they are tells how good the model is.
    """
    x, log_p = model.sample_with_log_prob(n, context, generator=generator)
    return -_energy(energy, x, context) - log_p


def anneal(start: float, fraction: float, progress: float) -> float:
    """``beta``, rising linearly from ``start`` to 1 over the first ``fraction`` of the training.

    Args:
        start: ``beta`` at the first step.
        fraction: Part of the training, in [0, 1]; 0 for 1 throughout.
        progress: Part of the training that lies behind.
    """
    return 1.0 if progress >= fraction else start + (1 - start) * progress / fraction


def _energy(
    energy: EnergyFunction, x: Float[Tensor, "n *event"], context: Shaped[Tensor, "..."] | None
) -> Float[Tensor, " n"]:
    return energy(x) if context is None else energy(x, context)
