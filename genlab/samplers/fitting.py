"""How a model is taught by weighted points, a round at a time, each family by its principle."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.batch import Batch
from genlab.bounds import NonNegative, PositiveInt
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.models import CNF, GMM, VAE, FlowMatching
from genlab.objectives import (
    Coupling,
    MixtureFit,
    flow_matching_loss,
    negative_elbo,
    negative_iwae,
    negative_log_likelihood,
    regularised_likelihood,
)
from genlab.paths import Times
from genlab.samplers.descent import Descent, training

__all__ = [
    "ELBOFit",
    "EMFit",
    "Fit",
    "FlowMatchingFit",
    "GradientFit",
    "LikelihoodFit",
    "RegularisedFit",
]


class Fit(ABC):
    """Moves a model towards the density that weighted points are samples of.

    A round goes on from the parameters of the round before.

    Attributes:
        teaches: The families that can be taught so.
    """

    teaches: ClassVar[type[nn.Module]] = Density

    def check(self, model: Density) -> None:
        """Refuse a model that cannot be taught so, before anything is trained.

        Raises:
            UserError: It is of another family, or its own options ask for another way.
        """
        if not isinstance(model, self.teaches):
            raise UserError(
                f"sampler.fit: {type(self).__name__} teaches {self.teaches.__name__} models, not "
                f"{type(model).__name__}"
            )

    @abstractmethod
    def __call__(
        self, model: Density, batch: Batch, *, first: bool, generator: torch.Generator
    ) -> None:
        """Teach the model for one round.

        Args:
            model: The density.
            batch: Points in the model's type and on its device, with weights or without.
            first: Whether no round was before.
            generator: Source of randomness, on the CPU.

        Raises:
            RunError: The loss was lost.
        """


@dataclass(frozen=True, kw_only=True)
class GradientFit(Descent, Fit):
    """Gradient descent on a loss; subclasses implement `loss`."""

    @abstractmethod
    def loss(self, model: Density, batch: Batch) -> Float[Tensor, ""]:
        """What a step lowers, on some rows that count the same."""

    def __call__(
        self, model: Density, batch: Batch, *, first: bool, generator: torch.Generator
    ) -> None:
        rows = self.rows(batch, generator)
        self.descend(
            model, lambda step: self.loss(model, Batch(batch.x[rows[step]])), generator=generator
        )


@dataclass(frozen=True, kw_only=True)
class LikelihoodFit(GradientFit):
    """Lowers ``-sum_i w_i log p(x_i)``: for all families with a differentiable log-density.

    A mixture starts from what EM makes of the first points.
    """

    def check(self, model: Density) -> None:
        super().check(model)
        if isinstance(model, GMM) and model.fit == "em":
            raise UserError(
                "sampler.fit: descends a likelihood, but the mixture has model.fit=em; expected "
                "model.fit=gradient"
            )

    def __call__(
        self, model: Density, batch: Batch, *, first: bool, generator: torch.Generator
    ) -> None:
        if first and isinstance(model, GMM):
            with training(model, generator):
                MixtureFit(model).start(batch)
        super().__call__(model, batch, first=first, generator=generator)

    def loss(self, model: Density, batch: Batch) -> Float[Tensor, ""]:
        return negative_log_likelihood(model, batch)


@dataclass(frozen=True, kw_only=True)
class RegularisedFit(GradientFit):
    """Lowers ``sum_i w_i (-log p(x_i) + k int |v|^2 dt)``: for continuous flows.

    Attributes:
        kinetic: Price k of the kinetic energy: straight paths, which few steps of a solver follow.
    """

    kinetic: NonNegative

    teaches = CNF

    def loss(self, model: Density, batch: Batch) -> Float[Tensor, ""]:
        assert isinstance(model, CNF)
        return regularised_likelihood(model, batch, kinetic=self.kinetic, jacobian=0.0)


@dataclass(frozen=True, kw_only=True)
class ELBOFit(GradientFit):
    """Lowers a negative evidence bound, for autoencoders.

    Attributes:
        importance_samples: Draws of z for each x: 1 for the ELBO, more for the IWAE's bound.
    """

    importance_samples: PositiveInt

    teaches = VAE

    def loss(self, model: Density, batch: Batch) -> Float[Tensor, ""]:
        assert isinstance(model, VAE)
        terms = model.bound_terms(batch.x, samples=self.importance_samples)
        return negative_elbo(terms) if self.importance_samples == 1 else negative_iwae(terms)


@dataclass(frozen=True, kw_only=True)
class FlowMatchingFit(GradientFit):
    """Regresses the velocity on the speed of known paths, for flow matching.

    Attributes:
        coupling: Which source point goes with which data point.
        times: Distribution of the times.
    """

    coupling: Coupling
    times: Times

    teaches = FlowMatching

    def loss(self, model: Density, batch: Batch) -> Float[Tensor, ""]:
        assert isinstance(model, FlowMatching)
        return flow_matching_loss(model, batch, coupling=self.coupling, times=self.times)


@dataclass(frozen=True, kw_only=True)
class EMFit(Fit):
    """Steps of EM on all rows with their weights, for Gaussian mixtures.

    Attributes:
        steps: The most passes over the rows in a round; EM may converge before.
    """

    steps: PositiveInt

    teaches = GMM

    def check(self, model: Density) -> None:
        super().check(model)
        assert isinstance(model, GMM)
        if model.fit != "em":
            raise UserError(
                f"sampler.fit: teaches by EM, but the mixture has model.fit={model.fit}; expected "
                "model.fit=em"
            )

    def __call__(
        self, model: Density, batch: Batch, *, first: bool, generator: torch.Generator
    ) -> None:
        assert isinstance(model, GMM)
        fit = MixtureFit(model)
        with training(model, generator):
            if first:
                fit.start(batch)
            for _ in range(self.steps):
                fit.observe(batch)
                fit.advance()
                if fit.done:
                    break
