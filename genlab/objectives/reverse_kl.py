"""The principle of reverse KL: learning a density from its energy, without any samples of it."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import ClassVar, Literal

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from genlab.batch import Batch, effective_fraction
from genlab.bounds import Fraction, NonNegativeInt, Positive
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.objectives.maximum_likelihood import negative_log_likelihood
from genlab.objectives.objective import M, Objective
from genlab.randomness import generator as generator_of
from genlab.targets.rough import rough_samples
from genlab.targets.target import Target

__all__ = ["EnergyFunction", "ReverseKL", "anneal", "log_weights", "reverse_kl"]

TRIAL = 1000

EnergyFunction = Callable[..., Float[Tensor, " n"]]
"""``U(x)``, or ``U(x, context)`` where there is a context, in nats and differentiable in x."""


class ReverseKL(Objective[M]):
    """Minimises ``E[log p(x) + beta U(x)]`` over samples of the model, ``beta`` rising to 1.

    A batch of the data only says how many samples to draw, and under which contexts. At small
    ``beta`` the wells of the target are connected: the model finds all of them, and keeps them
    (Rezende, Mohamed, "Variational inference with normalizing flows", 2015, arXiv:1505.05770).

    Training and validation draw from generators of their own, as functions of the step alone. The
    validation's is always the same, so that ``val/loss``, at ``beta = 1``, falls smoothly; its
    lowest possible value is ``-log Z``.

    >>> import genlab
    >>> objective = ReverseKL(genlab.targets.Gaussian(2))
    >>> loss = objective.loss(genlab.models.RealNVP(2), Batch(torch.empty(500, 0)))
    >>> loss >= -0.5, objective.reports  # about 0: the target's density has the integral 1
    (tensor(True), ('val/loss', 'val/ess', 'val/nll'))

    Args:
        target: What is learned; its energy must be known.
        beta_start: ``beta`` at the first step.
        anneal: Fraction of the steps over which ``beta`` rises to 1.
        cut: Nats above the lowest of a batch beyond which an energy counts by its logarithm.
        seed: The run's seed.

    Raises:
        UserError: The target's energy cannot be learned from.
    """

    learns_from: ClassVar[Literal["batches", "passes", "energy"]] = "energy"

    def __init__(
        self,
        target: Target,
        *,
        beta_start: Fraction = 0.01,
        anneal: Fraction = 0.5,
        cut: Positive | None = 100.0,
        seed: NonNegativeInt = 0,
    ) -> None:
        self.target = target
        self.origin = _typical_energy(target, seed)
        self.beta_start = beta_start
        self.anneal = anneal
        self.cut = cut
        self.seed = seed
        self.beta: float | Float[Tensor, ""] = 1.0
        self._noise = torch.Generator()
        self._validation_noise = torch.Generator()
        self._here = target

    @property
    def reports(self) -> tuple[str, ...]:
        return ("val/loss", "val/ess", *(("val/nll",) if self.target.has_samples else ()))

    def check(self, model: Density) -> None:
        super().check(model)
        if not model.reparametrised:
            raise UserError(
                "`ReverseKL`: it needs samples that are differentiable in the model's "
                f"parameters, which those of {type(model).__name__} are not; use a flow, such as "
                "`RealNVP`"
            )

    def advance(self, model: M, *, step: int, max_steps: int, draw: int) -> None:
        beta = anneal(self.beta_start, self.anneal, step / max_steps)
        self.beta = torch.full((), beta, dtype=model.dtype, device=model.device)
        self._move(model.device)
        self._noise.manual_seed(generator_of(self.seed, "reverse KL", draw).initial_seed())

    def loss(self, model: M, batch: Batch) -> Float[Tensor, ""]:
        return reverse_kl(
            model,
            self._here.energy,
            len(batch.x),
            batch.context,
            beta=self.beta,
            origin=self.origin,
            cut=self.cut,
            generator=self._noise,
        )

    def validate(self, model: M, batch: Batch, number: int = 0) -> dict[str, Float[Tensor, ""]]:
        self._move(model.device)
        if number == 0:
            self._validation_noise = generator_of(
                self.seed, "reverse KL, validation", device=model.device
            )
        log_weight = log_weights(
            model,
            self._here.energy,
            len(batch.x),
            batch.context,
            generator=self._validation_noise,
        )
        metrics = {"val/loss": -log_weight.mean(), "val/ess": effective_fraction(log_weight)}
        if "val/nll" in self.reports:
            metrics["val/nll"] = negative_log_likelihood(model, batch)
        return metrics

    def scalars(self) -> dict[str, float]:
        return {"train/beta": float(self.beta)}

    def _move(self, device: torch.device) -> None:
        """Have the energy and the noise where the model is; the target stays where it is."""
        if self._noise.device != device:
            self._noise = torch.Generator(device)
            self._here = copy.deepcopy(self.target).to(device)


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


def _typical_energy(target: Target, seed: int) -> float:
    """The median energy of rough samples; finds mistakes before anything is trained on them."""
    source = generator_of(seed, "reverse KL, trial")
    samples = rough_samples(target, TRIAL, generator=source)
    # A Gaussian of the target's mean and spread is where a model starts.
    noise = torch.randn(samples.shape, generator=source)
    x = (samples.mean(0) + samples.std(0) * noise).requires_grad_()
    energy = target.energy(x)
    if not energy.requires_grad:
        raise UserError(
            "`ReverseKL`: the target's log-density has no gradient in x: it is piecewise "
            "constant, or not computed from x by torch operations alone"
        )
    (force,) = torch.autograd.grad(energy.sum(), x)
    lost = ~(energy.isfinite() & force.isfinite().flatten(1).all(1))
    if lost.any():
        place = x[lost][0].tolist()
        raise UserError(
            "`ReverseKL`: it needs a target whose log-density and its gradient are finite "
            f"everywhere; at {[round(value, 3) for value in place]} they are not"
        )
    return float(target.energy(samples).detach().median())
