"""Exact sampling in the plane by rejection from a piecewise constant envelope."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from genlab.targets.quadrature import Rectangle

__all__ = ["GridEnvelope"]

CELLS = 256


class GridEnvelope(nn.Module):
    """A step function above a smooth unnormalised log-density on a rectangle, and samples below it.

    On each cell the density is evaluated at 3 x 3 nodes, ends included. Between nodes of distance h
    a function exceeds the larger neighbour by at most ``h^2 / 8`` times its curvature; the step is
    the largest node plus at least twice that, with the curvature from second differences in and
    around the cell.

    Args:
        log_density: Unnormalised log-density ``[n, 2] -> [n]``.
        box: Rectangle that holds all the mass that counts.
    """

    corner: Float[Tensor, " 2"]
    cell: Float[Tensor, " 2"]
    log_step: Float[Tensor, " cells"]
    cumulative: Float[Tensor, " cells"]

    def __init__(
        self, log_density: Callable[[Float[Tensor, "n 2"]], Float[Tensor, " n"]], box: Rectangle
    ) -> None:
        super().__init__()
        nodes = 2 * CELLS + 1
        axes = [torch.linspace(*side, nodes, dtype=torch.float64) for side in box]
        values = log_density(torch.cartesian_prod(*axes)).view(nodes, nodes)
        log_step = _above(values).reshape(-1)
        cumulative = (log_step - log_step.max()).exp().cumsum(0)
        corner = torch.tensor([side[0] for side in box], dtype=torch.float64)
        far_corner = torch.tensor([side[1] for side in box], dtype=torch.float64)
        self.register_buffer("corner", corner, persistent=False)
        self.register_buffer("cell", (far_corner - corner) / CELLS, persistent=False)
        self.register_buffer("log_step", log_step, persistent=False)
        self.register_buffer("cumulative", cumulative / cumulative[-1], persistent=False)

    def sample(
        self,
        log_density: Callable[[Float[Tensor, "n 2"]], Float[Tensor, " n"]],
        n: int,
        generator: torch.Generator | None,
    ) -> Float[Tensor, "n 2"]:
        """``n`` independent samples, float32, of the density that the envelope was made for."""
        accepted = [torch.empty(0, 2, device=self.corner.device)]
        missing = n
        while missing > 0:
            # A quarter more than are missing mostly suffices in one round.
            x, cell = self._propose(missing + missing // 4 + 64, generator)
            height = torch.rand(
                len(x), dtype=torch.float64, generator=generator, device=x.device
            ).log()
            below = height < log_density(x) - self.log_step[cell]
            accepted.append(x[below].float())
            missing -= int(below.sum())
        return torch.cat(accepted)[:n]

    def _propose(
        self, n: int, generator: torch.Generator | None
    ) -> tuple[Float[Tensor, "n 2"], Int[Tensor, " n"]]:
        uniform = torch.rand(
            n, 3, dtype=torch.float64, generator=generator, device=self.corner.device
        )
        cell = torch.searchsorted(self.cumulative, uniform[:, 2].contiguous(), right=True)
        index = torch.stack((cell // CELLS, cell % CELLS), 1)
        return self.corner + self.cell * (index + uniform[:, :2]), cell


def _above(values: Float[Tensor, "k k"]) -> Float[Tensor, "m m"]:
    """Upper bounds on cells of 2 x 2 intervals, from the values on all nodes."""
    bend = torch.zeros_like(values)
    bend[1:-1] += values.diff(n=2, dim=0).abs()
    bend[:, 1:-1] += values.diff(n=2, dim=1).abs()
    twist = 2 * values.diff(dim=0).diff(dim=1).abs()
    for rows in (slice(None, -1), slice(1, None)):
        for columns in (slice(None, -1), slice(1, None)):
            bend[rows, columns] = torch.maximum(bend[rows, columns], twist)
    return _largest(values) + _largest(bend) / 2


def _largest(values: Float[Tensor, "k k"]) -> Float[Tensor, "m m"]:
    """Maximum over the 3 x 3 nodes of each cell."""
    return nn.functional.max_pool2d(values[None], kernel_size=3, stride=2)[0]
