"""The coupling layer: one half of the coordinates parametrises a scalar map of the other half."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection
from genlab.bijections.scalar_map import ScalarMap
from genlab.bijections.split import HalfSplit
from genlab.nn.precision import output_of

__all__ = ["Coupling", "log_det_of"]


class Coupling(Bijection):
    """``z_a = x_a``, ``z_b = g(x_b; p(x_a, c))`` (Dinh, Krueger, Bengio, "NICE", 2015, s. 3.2).

    The Jacobian is triangular: its log-determinant is the sum of ``log g'``. Both directions cost
    one evaluation of the conditioner.

    Args:
        split: Which coordinates pass and which are mapped.
        scalar_map: The increasing map ``g``.
        conditioner: Network ``(x_a, c) -> p`` whose output has ``P`` values a mapped coordinate,
            the parameter index running slowest.
    """

    def __init__(self, split: HalfSplit, scalar_map: ScalarMap, conditioner: nn.Module) -> None:
        super().__init__()
        self.split = split
        self.scalar_map = scalar_map
        self.conditioner = conditioner

    def forward(
        self, x: Float[Tensor, "n d *pixels"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        x_a, x_b = self.split.separate(x)
        z_b, log_derivative = self.scalar_map(x_b, self.parameters_of(x_a, x_b, context))
        return self.split.join(x_a, z_b), log_det_of(x, [log_derivative])

    def inverse(
        self, z: Float[Tensor, "n d *pixels"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d *pixels"], Float[Tensor, " n"]]:
        z_a, z_b = self.split.separate(z)
        x_b, log_derivative = self.scalar_map.inverse(z_b, self.parameters_of(z_a, z_b, context))
        return self.split.join(z_a, x_b), log_det_of(z, [log_derivative])

    def parameters_of(
        self,
        x_a: Float[Tensor, "n a *pixels"],
        x_b: Float[Tensor, "n b *pixels"],
        context: Tensor | None,
    ) -> Float[Tensor, "n P b *pixels"]:
        """The scalar map's parameters for the mapped half, from the half that passes."""
        output = output_of(self.conditioner, x_a, context)
        return output.view(len(x_b), self.scalar_map.n_parameters, *x_b.shape[1:])


def log_det_of(x: Tensor, log_derivatives: Sequence[Tensor | None]) -> Float[Tensor, " n"]:
    """The sum over all mapped coordinates; one sum for many layers is cheaper than many sums."""
    terms = [term.flatten(1) for term in log_derivatives if term is not None]
    if len(terms) == 1:
        return terms[0].sum(1)
    return torch.cat(terms, dim=1).sum(1) if terms else x.new_zeros(len(x))
