"""The density that model-based samplers draw from: a model, made safe by a uniform share."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.densities.density import Density
from genlab.densities.inference import draw_samples, inference, log_probs
from genlab.errors import RunError
from genlab.pde.domain import Domain
from genlab.samplers.uniform import evenly

__all__ = ["Proposal"]

LOWEST_ACCEPTANCE = 1e-3
"""Below it, nearly nothing that a model draws lies in the domain."""


class Proposal:
    """``q(x) = (1 - alpha) p(x) 1_Omega(x) / P_acc + alpha / |Omega|``.

    Samples of the model p that leave the domain are rejected and drawn again; ``P_acc`` is the
    chance that one is kept. The uniform share keeps weights relative to the uniform density below
    ``1 / alpha``, as in Hesterberg, "Weighted average importance sampling and defensive mixture
    distributions" (1995, doi:10.1080/00401706.1995.10484303). Until a model has been fitted, q is
    uniform.

    >>> from genlab.densities import StandardNormal
    >>> from genlab.pde import Box
    >>> q = Proposal(Box([(-1, 1)]), StandardNormal((1,)), alpha=0.5)
    >>> q.fitted = True
    >>> q.estimate_acceptance(100_000, generator=torch.Generator().manual_seed(0))
    >>> round(q.acceptance, 1), q.log_prob(torch.zeros(1, 1)).exp().round(decimals=2)
    (0.7, tensor([0.5400], dtype=torch.float64))

    Args:
        domain: ``Omega``.
        model: ``p``.
        alpha: The uniform share, in [0, 1].
        even: Draw points that fill q evenly, where the model's family can
            (`Density.sample_evenly`); each has the density q all the same.

    Attributes:
        fitted: Whether the model has a say.
        acceptance: ``P_acc``, exactly 1 where the model lives in the domain.
        confined: Whether no sample can leave the domain.
    """

    def __init__(self, domain: Domain, model: Density, *, alpha: float, even: bool = False) -> None:
        self.domain = domain
        self.model = model
        self.alpha = alpha
        self.even = even
        self.fitted = False
        self.acceptance = 1.0
        self.confined = domain.is_box and getattr(model, "confined", False)

    def estimate_acceptance(self, n: int, *, generator: torch.Generator) -> None:
        """Set ``P_acc`` to the share of n samples of the model that lie in the domain.

        Raises:
            RunError: Hardly any do.
        """
        if self.confined:
            return
        with inference(self.model, generator):
            x = draw_samples(self.model, n, generator=generator)
        self.acceptance = self.domain.contains(x).double().mean().item()
        if self.acceptance < LOWEST_ACCEPTANCE:
            raise RunError(
                f"sampler: of {n} samples of the model a share of {self.acceptance:.2g} lies in "
                "the domain\ntry more `fit.steps` or a smaller `fit.lr`"
            )

    def sample(self, n: int, *, generator: torch.Generator) -> Float[Tensor, "n d"]:
        """``n`` points, in random order, in the model's type and on its device.

        The number of uniform ones is ``alpha n``, rounded up or down at random: each point has the
        density q, and an integral has less variance than under independent draws.

        Args:
            n: Number of points.
            generator: Source of randomness, on the CPU.
        """
        model = self.model
        share = self.alpha if self.fitted else 1.0
        uniform = math.floor(share * n + torch.rand((), generator=generator).item())
        uniform = min(uniform, n)
        if self.even:
            x = evenly(self.domain, uniform, generator=generator, dtype=model.dtype)
        else:
            x = self.domain.sample(uniform, generator=generator, dtype=model.dtype)
        x = x.to(model.device)
        if uniform < n:
            x = torch.cat((x, self._of_model(n - uniform, generator)))
        return x[torch.randperm(n, generator=generator).to(x.device)]

    def _of_model(self, n: int, generator: torch.Generator) -> Float[Tensor, "n d"]:
        kept: list[Tensor] = []
        missing = n
        with inference(self.model, generator):
            while missing > 0:
                # A few more than are missing, on the average, mostly suffice at once.
                drawn = missing if self.confined else math.ceil(1.1 * missing / self.acceptance) + 9
                if self.even and self.model.noise is not None:
                    x = self.model.sample_evenly(drawn, generator=generator)
                else:
                    x = draw_samples(self.model, drawn, generator=generator)
                kept.append(x if self.confined else x[self.domain.contains(x)])
                missing -= len(kept[-1])
        return torch.cat(kept)[:n]

    def log_prob(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """``log q`` at points of the domain, in float64 on the CPU."""
        return self.blend(self.log_prob_of_model(x))

    def blend(self, log_p: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
        """``log q`` of points at which ``log p / P_acc`` is known."""
        uniform = torch.full_like(log_p, self.domain.log_uniform)
        if not 0 < self.alpha < 1:
            return uniform if self.alpha else log_p
        return torch.logaddexp(log_p + math.log1p(-self.alpha), uniform + math.log(self.alpha))

    def log_prob_of_model(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """``log p / P_acc`` at points of the domain, in float64 on the CPU."""
        if not self.fitted:
            return torch.full((len(x),), self.domain.log_uniform, dtype=torch.float64)
        # Where a likelihood is an estimate, it draws the same numbers each time.
        with inference(self.model):
            return log_probs(self.model, x) - math.log(self.acceptance)

    def frozen(self) -> Proposal:
        """A copy that stays as it is while the model is taught further."""
        return copy.deepcopy(self)

    def state_dict(self) -> dict[str, Any]:
        """The model's parameters, and what is known of it."""
        return {
            "model": {name: value.clone() for name, value in self.model.state_dict().items()},
            "fitted": self.fitted,
            "acceptance": self.acceptance,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.model.load_state_dict(state["model"])
        self.fitted = state["fitted"]
        self.acceptance = state["acceptance"]
