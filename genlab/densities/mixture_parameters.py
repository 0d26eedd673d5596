"""The parameters of Gaussian mixtures, free of constraints, whatever the form of the covariance."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from genlab.densities.mixtures import Covariance, Mixtures

__all__ = ["MixtureParameters"]


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
            diagonal for each Gaussian) or ``spherical`` (one number for each).
        floor: Smallest variance that is to be loaded.
        growing: Let a saved state bring its own number of Gaussians.

    Attributes:
        logits: Log-weights up to a constant, ``[G, K]``.
        means: ``[G, K, D]``.
        scales: ``[G, K, D]``, ``[G, 1, D]`` for tied and ``[G, K, 1]`` for spherical covariances.
        shears: ``W_ij`` below the diagonal, row by row, ``[G, K or 1, D (D - 1) / 2]``; None for
            diagonal and spherical covariances.
    """

    logits: nn.Parameter
    means: nn.Parameter
    scales: nn.Parameter
    shears: nn.Parameter | None

    def __init__(
        self,
        groups: int,
        components: int,
        dim: int,
        *,
        covariance: Covariance,
        floor: float,
        growing: bool = False,
    ) -> None:
        super().__init__()
        self.dim = dim
        self.covariance = covariance
        self.thinnest = 0.5 * math.sqrt(floor)
        self.growing = growing
        for name, shape in self._shapes(groups, components).items():
            self.register_parameter(name, nn.Parameter(torch.zeros(shape)))
        if covariance in ("diag", "spherical"):
            self.shears = None

    def _shapes(self, groups: int, components: int) -> dict[str, tuple[int, ...]]:
        own = 1 if self.covariance == "tied" else components
        shapes = {
            "logits": (groups, components),
            "means": (groups, components, self.dim),
            "scales": (groups, own, 1 if self.covariance == "spherical" else self.dim),
        }
        if self.covariance in ("full", "tied"):
            shapes["shears"] = (groups, own, self.dim * (self.dim - 1) // 2)
        return shapes

    def forward(self) -> Mixtures:
        """The mixtures that the parameters stand for."""
        diagonal = (self.scales.exp() + self.thinnest).reciprocal()
        log_weights = self.logits.log_softmax(1)
        if self.shears is None:
            return Mixtures(log_weights, self.means, diagonal.expand_as(self.means))
        roots = diagonal.diag_embed()
        roots[(..., *self._below)] = self.shears
        return Mixtures(log_weights, self.means, roots)

    @torch.no_grad()
    def load(self, mixtures: Mixtures) -> None:
        """Take over mixtures of the same form, with any number of components."""
        own = slice(1 if self.covariance == "tied" else None)
        diagonal = mixtures.diagonal[:, own, : self.scales.shape[2]]
        self._assign("logits", mixtures.log_weights)
        self._assign("means", mixtures.means)
        self._assign("scales", (diagonal.reciprocal() - self.thinnest).log())
        if self.shears is not None:
            self._assign("shears", mixtures.roots[(..., *self._below)])

    @property
    def per_gaussian(self) -> int:
        """Free parameters of one Gaussian, its weight included."""
        own = {"full": self.dim * (self.dim + 1) // 2, "tied": 0, "diag": self.dim, "spherical": 1}
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
