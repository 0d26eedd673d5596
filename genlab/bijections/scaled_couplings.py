"""Couplings in turn on the two halves of the coordinates, each behind a scale-and-bias layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.actnorm import ActNorm
from genlab.bijections.bijection import Bijection
from genlab.bijections.compose import Compose
from genlab.bijections.coupling import Coupling, log_det_of

__all__ = ["ScaledCouplings"]


class ScaledCouplings(Bijection):
    """``L`` times ``x exp(s_l) + b_l``, then a coupling: the inner blocks of KRnet.

    The same map as the composition of `ActNorm` layers and couplings, and it starts from data as
    they do. But ``x`` is split once and joined once, and the scales of all layers are one tensor:
    that saves a small flow a sixth of its training step.

    Args:
        couplings: The couplings, from data to latent; all of one split, flipped or not.
    """

    def __init__(self, couplings: Iterable[Coupling]) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(couplings)
        self.sizes = self._couplings()[0].split.sizes
        self.log_scale = nn.Parameter(torch.zeros(len(self.couplings), sum(self.sizes)))
        self.shift = nn.Parameter(torch.zeros_like(self.log_scale))

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        halves: list[Tensor] = list(x.split(self.sizes, dim=1))
        log_derivatives = []
        for layer, scales, shifts in self._layers():
            scaled = zip(shifts, halves, scales, strict=True)
            halves = [torch.addcmul(shift, half, scale) for shift, half, scale in scaled]
            passive, active = layer.split.places
            parameters = layer.parameters_of(halves[passive], halves[active], context)
            halves[active], log_derivative = layer.scalar_map(halves[active], parameters)
            log_derivatives.append(log_derivative)
        log_det = log_det_of(x, log_derivatives) + self.log_scale.sum()
        return torch.cat(halves, dim=1), log_det

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        halves: list[Tensor] = list(z.split(self.sizes, dim=1))
        log_derivatives = []
        for layer, scales, shifts in reversed(self._layers()):
            passive, active = layer.split.places
            parameters = layer.parameters_of(halves[passive], halves[active], context)
            halves[active], log_derivative = layer.scalar_map.inverse(halves[active], parameters)
            log_derivatives.append(log_derivative)
            scaled = zip(shifts, halves, scales, strict=True)
            halves = [(half - shift) / scale for shift, half, scale in scaled]
        log_det = log_det_of(z, log_derivatives) - self.log_scale.sum()
        return torch.cat(halves, dim=1), log_det

    def initialise(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> Float[Tensor, "n d"]:
        return Compose(self.steps()).initialise(x, context)

    def steps(self) -> list[Bijection]:
        """One for each coupling; they share the memory of the weights, not the gradients."""
        return [
            Compose([_actnorm(log_scale, shift), layer])
            for log_scale, shift, layer in zip(
                self.log_scale.detach(), self.shift.detach(), self._couplings(), strict=True
            )
        ]

    def _couplings(self) -> list[Coupling]:
        return [cast(Coupling, layer) for layer in self.couplings]

    def _layers(self) -> list[tuple[Coupling, tuple[Tensor, ...], tuple[Tensor, ...]]]:
        """Each coupling, with the scales and the shifts of both halves before it."""
        scales, shifts = (
            zip(*(half.unbind() for half in table.split(self.sizes, dim=1)), strict=True)
            for table in (self.log_scale.exp(), self.shift)
        )
        return list(zip(self._couplings(), scales, shifts, strict=True))


def _actnorm(log_scale: Float[Tensor, " d"], shift: Float[Tensor, " d"]) -> ActNorm:
    layer = ActNorm(len(log_scale))
    layer.log_scale, layer.shift = nn.Parameter(log_scale), nn.Parameter(shift)
    return layer
