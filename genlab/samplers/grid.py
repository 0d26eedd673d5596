"""How far a density is from an indicator, on a grid over the plane."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.pde.domain import Domain
from genlab.samplers.sampler import Indicator, evaluated

__all__ = ["cell_centres", "grid_divergence"]


def cell_centres(domain: Domain, cells: int) -> tuple[Float[Tensor, "n d"], float]:
    """The centres in the domain of ``cells^d`` equal cells of its box, float64; a cell's volume."""
    axes = [
        low + (high - low) * (torch.arange(cells, dtype=torch.float64) + 0.5) / cells
        for low, high in domain.box
    ]
    x = torch.cartesian_prod(*axes).view(-1, domain.dim)
    volume = math.prod((high - low) / cells for low, high in domain.box)
    return x[domain.contains(x)], volume


def grid_divergence(
    indicator: Indicator,
    log_prob: Callable[[Float[Tensor, "n d"]], Float[Tensor, " n"]],
    domain: Domain,
    *,
    cells: int,
) -> float:
    """``KL(h / Z || p)`` in nats by the midpoint rule, with ``Z`` from the same grid.

    Args:
        indicator: ``h``.
        log_prob: ``log p`` on the domain.
        domain: Of few dimensions.
        cells: Cells along each side of the box.
    """
    x, volume = cell_centres(domain, cells)
    h = evaluated(indicator, x)
    share = h / h.sum()
    log_p = log_prob(x).double().to(x.device)
    # 0 log 0 = 0, whatever the density is there.
    gain = torch.where(share > 0, (share / volume).log() - log_p, 0.0)
    return (share @ gain).item()
