"""The coupling layer: one half of the coordinates parametrises a scalar map of the other half."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.bijections.bijection import Bijection
from genlab.bijections.scalar_map import ScalarMap
from genlab.bijections.split import HalfSplit

__all__ = ["AlternatingCouplings", "Coupling"]


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
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        x_a, x_b = self.split.separate(x)
        z_b, log_derivative = self.scalar_map(x_b, self.parameters_of(x_a, x_b, context))
        return self.split.join(x_a, z_b), _log_det(x, [log_derivative])

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        z_a, z_b = self.split.separate(z)
        x_b, log_derivative = self.scalar_map.inverse(z_b, self.parameters_of(z_a, z_b, context))
        return self.split.join(z_a, x_b), _log_det(z, [log_derivative])

    def parameters_of(
        self, x_a: Float[Tensor, "n a"], x_b: Float[Tensor, "n b"], context: Tensor | None
    ) -> Float[Tensor, "n P b"]:
        """The scalar map's parameters for the mapped half, from the half that passes."""
        output: Tensor = self.conditioner(x_a, context)
        return output.view(len(x_b), self.scalar_map.n_parameters, *x_b.shape[1:])


class AlternatingCouplings(Bijection):
    """Couplings that take turns on the two halves: ``x`` is split once and joined once.

    The same map as the composition of the couplings, without the copies in between, which cost a
    small flow a third of its training step.

    Args:
        couplings: The couplings, from data to latent; all of one split, flipped or not.
    """

    def __init__(self, couplings: Iterable[Coupling]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(couplings)

    def forward(
        self, x: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return self._run(x, context, inverse=False)

    def inverse(
        self, z: Float[Tensor, "n d"], context: Float[Tensor, "n c"] | None = None
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        return self._run(z, context, inverse=True)

    def __iter__(self) -> Iterator[Coupling]:
        return (cast(Coupling, layer) for layer in self.layers)

    def steps(self) -> list[Bijection]:
        return list(self)

    def _run(
        self, x: Tensor, context: Tensor | None, *, inverse: bool
    ) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
        couplings = list(self)
        halves = list(x.split(couplings[0].split.sizes, dim=1))
        log_derivatives = []
        for layer in reversed(couplings) if inverse else couplings:
            passive, active = (1, 0) if layer.split.flip else (0, 1)
            parameters = layer.parameters_of(halves[passive], halves[active], context)
            scalar_map = layer.scalar_map.inverse if inverse else layer.scalar_map
            halves[active], log_derivative = scalar_map(halves[active], parameters)
            log_derivatives.append(log_derivative)
        return torch.cat(halves, dim=1), _log_det(x, log_derivatives)


def _log_det(x: Tensor, log_derivatives: Sequence[Tensor | None]) -> Float[Tensor, " n"]:
    """The sum over all mapped coordinates; one sum for many layers is cheaper than many sums."""
    terms = [term.flatten(1) for term in log_derivatives if term is not None]
    return torch.cat(terms, dim=1).sum(1) if terms else x.new_zeros(len(x))
