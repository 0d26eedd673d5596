"""Learning by reverse KL, from an energy instead of samples."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.optim import Optimizer

from genlab.batch import Batch, effective_fraction
from genlab.bounds import Fraction, NonNegativeInt, Positive
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.learning.gradient import GradientLearner
from genlab.learning.schedules import Schedule
from genlab.learning.settings import TrainerSettings
from genlab.objectives.maximum_likelihood import negative_log_likelihood
from genlab.objectives.reverse_kl import anneal, log_weights, reverse_kl
from genlab.randomness import generator
from genlab.targets.rough import rough_samples
from genlab.targets.target import Target

__all__ = ["ReverseKL"]

TRIAL = 1000


class ReverseKL(GradientLearner):
    """Minimises ``E[log p(x) + beta U(x)]`` over samples of the model, ``beta`` rising to 1.

    A batch of the data only says how many samples to draw, and under which contexts. At small
    ``beta`` the wells of the target are connected: the model finds all of them, and keeps them.

    Training and validation draw from generators of their own, as functions of the step alone. The
    validation's is always the same, so that ``val/loss``, at ``beta = 1``, falls smoothly; its
    lowest possible value is ``-log Z``.

    Args:
        model: The density to learn, with reparametrised samples.
        settings: How long, where and how carefully.
        optimizer: Makes the optimiser of some parameters.
        schedule: Factor on the learning rate as a function of the step and the number of steps.
        target: What is learned; its energy must be known.
        beta_start: ``beta`` at the first step.
        anneal: Fraction of the steps over which ``beta`` rises to 1.
        cut: Nats above the lowest of a batch beyond which an energy counts by its logarithm.
        seed: The run's seed.

    Raises:
        UserError: The model or the target cannot be used.
    """

    learns_from = "energy"
    beta: Float[Tensor, ""]

    def __init__(
        self,
        model: Density,
        settings: TrainerSettings,
        *,
        optimizer: Callable[[Iterable[nn.Parameter]], Optimizer],
        schedule: Schedule,
        target: Target,
        beta_start: Fraction,
        anneal: Fraction,
        cut: Positive | None,
        seed: NonNegativeInt,
    ) -> None:
        super().__init__(model, settings, optimizer=optimizer, schedule=schedule)
        if not model.reparametrised:
            raise UserError(
                f"objective=reverse_kl: it needs samples that are differentiable in the model's "
                f"parameters, which those of {type(model).__name__} are not; use a flow, such as "
                "model=realnvp"
            )
        self.origin = _typical_energy(target, seed)
        self.beta_start = beta_start
        self.anneal = anneal
        self.cut = cut
        self.seed = seed
        self.reports = ("val/loss", "val/ess", *(("val/nll",) if target.has_samples else ()))
        self.register_buffer("beta", torch.tensor(1.0), persistent=False)
        # In a tuple it is no submodule: neither its place nor its precision follows the model's.
        self._targets = (target,)
        self.energy = target.energy
        self._noise = torch.Generator()
        self._validation_noise = torch.Generator()

    def on_fit_start(self) -> None:
        super().on_fit_start()
        (target,) = self._targets
        self.energy = copy.deepcopy(target).to(self.device).energy
        self._noise = torch.Generator(self.device)

    def update(self, batch: Batch) -> Float[Tensor, ""]:
        progress = self.reached() / self.settings.max_steps
        self.beta.fill_(anneal(self.beta_start, self.anneal, progress))
        draw = self.step * self.trainer.world_size + self.trainer.global_rank
        self._noise.manual_seed(generator(self.seed, "reverse KL", draw).initial_seed())
        return super().update(batch)

    def loss(self, batch: Batch) -> Float[Tensor, ""]:
        return reverse_kl(
            self.model,
            self.energy,
            len(batch.x),
            batch.context,
            beta=self.beta,
            origin=self.origin,
            cut=self.cut,
            generator=self._noise,
        )

    def on_validation_epoch_start(self) -> None:
        super().on_validation_epoch_start()
        self._validation_noise = generator(self.seed, "reverse KL, validation", device=self.device)

    def validate(self, batch: Batch) -> dict[str, Float[Tensor, ""]]:
        log_weight = log_weights(
            self.model, self.energy, len(batch.x), batch.context, generator=self._validation_noise
        )
        metrics = {"val/loss": -log_weight.mean(), "val/ess": effective_fraction(log_weight)}
        if "val/nll" in self.reports:
            metrics["val/nll"] = negative_log_likelihood(self.model, batch)
        return metrics

    def scalars(self) -> dict[str, float]:
        return {**super().scalars(), "train/beta": self.beta.item()}


def _typical_energy(target: Target, seed: int) -> float:
    """The median energy of rough samples; finds mistakes before anything is trained on them."""
    source = generator(seed, "reverse KL, trial")
    samples = rough_samples(target, TRIAL, generator=source)
    # A Gaussian of the target's mean and spread is where a model starts.
    noise = torch.randn(samples.shape, generator=source)
    x = (samples.mean(0) + samples.std(0) * noise).requires_grad_()
    energy = target.energy(x)
    if not energy.requires_grad:
        raise UserError(
            "objective=reverse_kl: the target's log-density has no gradient in x: it is piecewise "
            "constant, or not computed from x by torch operations alone"
        )
    (force,) = torch.autograd.grad(energy.sum(), x)
    lost = ~(energy.isfinite() & force.isfinite().flatten(1).all(1))
    if lost.any():
        place = x[lost][0].tolist()
        raise UserError(
            "objective=reverse_kl: it needs a target whose log-density and its gradient are finite "
            f"everywhere; at {[round(value, 3) for value in place]} they are not"
        )
    return float(target.energy(samples).detach().median())
