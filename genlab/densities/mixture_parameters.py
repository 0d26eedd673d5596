"""The parameters of Gaussian mixtures, free of constraints, whatever the form of the covariance."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from genlab.densities.low_rank import LowRankMixtures
from genlab.densities.mixtures import Covariance, Mixtures

__all__ = ["AnyMixtures", "MixtureParameters"]

AnyMixtures = Mixtures | LowRankMixtures


class MixtureParameters(nn.Module):
    """``G`` mixtures of ``K`` Gaussians on R^D, to be descended on or to be loaded.

    Each Gaussian is held by the lower triangular ``W`` of ``Sigma = (W^T W)^{-1}``: given those
    before it, a coordinate has the deviation ``1 / W_ii = e^scale + sqrt(floor) / 2``, so that no
    gradient step makes a likelihood grow without bound.

    Args:
        groups: Number of mixtures G.
        components: Number of Gaussians K in each.
        dim: Number of coordinates D.
        covariance: ``full`` (W for each Gaussian), ``tied`` (one for each mixture), ``diag`` (its
            diagonal for each Gaussian), ``spherical`` (one number for each) or ``low_rank`` (see
            `LowRankMixtures`).
        floor: Smallest variance that is to be loaded.
        rank: Factors of each Gaussian where the covariance is of low rank.
        growing: Let a saved state bring its own number of Gaussians.

    Attributes:
        logits: Log-weights up to a constant, ``[G, K]``.
        means: ``[G, K, D]``.
        scales: ``[G, K, D]``, ``[G, 1, D]`` for tied and ``[G, K, 1]`` for spherical covariances.
        shears: ``W_ij`` below the diagonal, row by row, ``[G, K or 1, D (D - 1) / 2]``; None for
            diagonal and spherical covariances, and those of low rank.
        factors: ``F`` of covariances of low rank, whose ``s`` are ``e^scale + sqrt(floor) / 2``,
            ``[G, K, D, Q]``; None for others.
    """

    logits: nn.Parameter
    means: nn.Parameter
    scales: nn.Parameter
    shears: nn.Parameter | None
    factors: nn.Parameter | None

    def __init__(
        self,
        groups: int,
        components: int,
        dim: int,
        *,
        covariance: Covariance,
        floor: float,
        rank: int = 0,
        growing: bool = False,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.covariance = covariance
        self.rank = rank
        self.thinnest = 0.5 * math.sqrt(floor)
        self.growing = growing
        for name, shape in self._shapes(groups, components).items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))
        if covariance not in ("full", "tied"):
            self.shears = None
        if covariance != "low_rank":
            self.factors = None

    def _shapes(self, groups: int, components: int) -> dict[str, tuple[int, ...]]:
        own = 1 if self.covariance == "tied" else components
        shapes = {
            "logits": (groups, components),
            "means": (groups, components, self.dim),
            "scales": (groups, own, 1 if self.covariance == "spherical" else self.dim),
        }
        if self.covariance in ("full", "tied"):
            shapes["shears"] = (groups, own, self.dim * (self.dim - 1) // 2)
        if self.covariance == "low_rank":
            shapes["factors"] = (groups, components, self.dim, self.rank)
        return shapes

    def forward(self) -> AnyMixtures:
        """The mixtures that the parameters stand for."""
        deviations = self.scales.exp() + self.thinnest
        log_weights = self.logits.log_softmax(1)
        if self.factors is not None:
            return LowRankMixtures(log_weights, self.means, deviations, self.factors)
        diagonal = deviations.reciprocal()
        if self.shears is None:
            return Mixtures(log_weights, self.means, diagonal.expand_as(self.means))
        roots = diagonal.diag_embed()
        roots[(..., *self._below)] = self.shears
        return Mixtures(log_weights, self.means, roots)

    @torch.no_grad()
    def load(self, mixtures: AnyMixtures) -> None:
        """Take over mixtures of the same form, with any number of components."""
        self._assign("logits", mixtures.log_weights)
        self._assign("means", mixtures.means)
        if isinstance(mixtures, LowRankMixtures):
            self._assign("scales", (mixtures.deviations - self.thinnest).log())
            self._assign("factors", mixtures.factors)
            return
        own = slice(1 if self.covariance == "tied" else None)
        diagonal = mixtures.diagonal[:, own, : self.scales.shape[2]]
        self._assign("scales", (diagonal.reciprocal() - self.thinnest).log())
        if self.shears is not None:
            self._assign("shears", mixtures.roots[(..., *self._below)])

    @property
    def per_gaussian(self) -> int:
        """Free parameters of one Gaussian, its weight included."""
        own = {
            "full": self.dim * (self.dim + 1) // 2,
            "tied": 0,
            "diag": self.dim,
            "spherical": 1,
            # A rotation of the factors changes nothing.
            "low_rank": self.dim * (self.rank + 1) - self.rank * (self.rank - 1) // 2,
        }
        return 1 + self.dim + own[self.covariance]

    @property
    def degrees_of_freedom(self) -> int:
        """Number of free parameters; Gaussians of weight 0 have none."""
        shared = self.dim * (self.dim + 1) // 2 if self.covariance == "tied" else 0
        gaussians = int(self.logits.isfinite().sum())
        return gaussians * self.per_gaussian + len(self.logits) * (shared - 1)

    @property
    def _below(self) -> Tensor:
        return torch.tril_indices(self.dim, self.dim, -1, device=self.means.device)

    def _assign(self, name: str, value: Tensor) -> None:
        parameter = getattr(self, name)
        # An optimiser knows the parameter itself: it stays, whatever its shape becomes.
        parameter.data = value.to(parameter, copy=True).contiguous()

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        saved = state_dict.get(f"{prefix}logits")
        if self.growing and saved is not None:
            for name, shape in self._shapes(len(self.logits), saved.shape[1]).items():
                parameter = getattr(self, name)
                parameter.data = parameter.new_empty(shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)
