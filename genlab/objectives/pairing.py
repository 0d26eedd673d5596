"""Pairings: which point of the source goes with which point of the data."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from genlab.batch import squared_distances
from genlab.bounds import Positive, PositiveInt
from genlab.constructor import Checked
from genlab.imports import import_part
from genlab.nn.angles import squared_turns
from genlab.nn.context import Context

__all__ = ["Independent", "OptimalTransport", "Pairing", "Sinkhorn"]

MAX_ITERATIONS = 1_000_000


class Pairing(Checked, ABC):
    """A joint distribution of source and data, whose margins are the two, under each context.

    One of your own implements `pair`:

    References: arXiv:2302.00482, arXiv:2304.14772.

    >>> class Sorted(Pairing):  # the optimal plan on the line
    ...     def pair(self, x0, x1, weight=None, context=None, *, generator=None):
    ...         return x0.sort(0).values[x1[:, 0].argsort().argsort()]
    >>> Sorted().pair(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [2.0]]))
    tensor([[1.],
            [0.]])
    """

    @abstractmethod
    def pair(
        self,
        x0: Float[Tensor, "n *event"],
        x1: Float[Tensor, "n *event"],
        weight: Float[Tensor, " n"] | None = None,
        context: Context = None,
        *,
        generator: torch.Generator | None = None,
        circular: Sequence[int] = (),
    ) -> Float[Tensor, "n *event"]:
        """A source point for each data point, out of ``x0``.

        Args:
            x0: Independent points of the source.
            x1: Data; they stay in their order, with their contexts and weights.
            weight: How much each data point counts; None where all count the same.
            context: What each data point is conditioned on, encoded; None without a condition.
            generator: Source of randomness, on any device; torch's global one if None.
            circular: Coordinates that are angles; named only where there are some.
        """


@dataclass(frozen=True)
class Independent(Pairing):
    """Any point with any other: ``p(x_0) p(x_1)``.

    References: arXiv:2210.02747.

    >>> Independent().pair(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [2.0]]))
    tensor([[0.],
            [1.]])
    """

    def pair(
        self, x0: Float[Tensor, "n *event"], *others: Any, **told: Any
    ) -> Float[Tensor, "n *event"]:
        return x0


class PlannedPairing(Pairing):
    """Follows a transport plan, block of rows by block.

    Under weights the plan's margin on the data are the weights, and a data point draws its source
    from its row of the plan: counted by weight, the sources keep their own distribution.

    Only rows of the same context are matched. A plan across contexts would give each the part of
    the source that is near to its data, whereas its samples start from all of the source (Cheng,
    Schwing, "The curse of conditions", 2025, arXiv:2503.10636).

    Attributes:
        rows: Rows that are matched with each other.
    """

    rows: PositiveInt

    @abstractmethod
    def _plan(self, mass: Float[Tensor, " n"], cost: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
        """The mass that each data point (row) receives from each source point (column)."""

    @torch.no_grad()
    def pair(
        self,
        x0: Float[Tensor, "n *event"],
        x1: Float[Tensor, "n *event"],
        weight: Float[Tensor, " n"] | None = None,
        context: Context = None,
        *,
        generator: torch.Generator | None = None,
        circular: Sequence[int] = (),
    ) -> Float[Tensor, "n *event"]:
        paired = x0.clone()
        for alike in _alike(x1, context):
            for rows in alike.split(self.rows):
                counts = None if weight is None else weight[rows]
                paired[rows] = self._match(x0[rows], x1[rows], counts, generator, circular)
        return paired

    def _match(
        self,
        x0: Float[Tensor, "n *event"],
        x1: Float[Tensor, "n *event"],
        weight: Float[Tensor, " n"] | None,
        generator: torch.Generator | None,
        circular: Sequence[int],
    ) -> Float[Tensor, "n *event"]:
        if len(x1) < 2:
            return x0
        data, source = map(_at_least_single, (x1, x0))
        if circular:
            cost = squared_turns(data, source, circular)
        else:  # how far all data are from all sources decides about no pair
            cost = squared_distances(data - data.mean(0), source - source.mean(0))
        mass = cost.new_ones(len(x1)) if weight is None else weight.to(cost)
        total = mass.sum()
        # Where no row counts, all may.
        plan = self._plan(torch.where(total > 0, mass / total, 1 / len(mass)), cost)
        # A row without mass has nowhere to draw from, and no say: any source does.
        plan = torch.where(plan.sum(1, keepdim=True) > 0, plan, 1.0)
        device = plan.device if generator is None else generator.device
        drawn = torch.multinomial(plan.to(device), 1, generator=generator)
        return x0[drawn[:, 0].to(x0.device)]


@dataclass(frozen=True, kw_only=True)
class OptimalTransport(PlannedPairing):
    """The exact plan of least squared distance between two batches (POT's network simplex).

    The paths hardly cross, so they are nearly straight, and the regression has less noise (Tong et
    al., "Improving and generalizing flow-based generative models with minibatch optimal
    transport", 2024). Its time grows like ``rows^3``, on the CPU.

    References: arXiv:2302.00482.

    >>> plan = OptimalTransport(rows=2)
    >>> plan.pair(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [2.0]]))
    tensor([[1.],
            [0.]])

    Attributes:
        rows: Rows that are matched with each other.
    """

    rows: PositiveInt

    def _plan(self, mass: Float[Tensor, " n"], cost: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
        margin = mass.cpu().double()
        even = torch.full_like(margin, 1 / len(margin))
        plan = import_part("ot.lp").emd(
            (margin / margin.sum()).numpy(),
            even.numpy(),
            cost.cpu().double().numpy(),
            numItermax=MAX_ITERATIONS,
        )
        return torch.from_numpy(plan)


@dataclass(frozen=True, kw_only=True)
class Sinkhorn(PlannedPairing):
    """The plan of least squared distance minus ``epsilon`` times its entropy.

    Sinkhorn's iteration on logarithms (Cuturi, "Sinkhorn distances", 2013; Peyre, Cuturi,
    "Computational optimal transport", 2019, section 4.4), on the device: for large batches.

    References: arXiv:1306.0895, arXiv:1803.00567.

    >>> plan = Sinkhorn(rows=2, regularisation=0.01, iterations=50)
    >>> plan.pair(torch.tensor([[0.0], [1.0]]), torch.tensor([[3.0], [2.0]]))
    tensor([[1.],
            [0.]])

    Attributes:
        rows: Rows that are matched with each other.
        regularisation: ``epsilon``, relative to the mean squared distance of data and sources about
            their means; the smaller, the nearer to the exact plan, and the more iterations it would
            need.
        iterations: Number of iterations; with 50 the sources of some hundred rows keep their
            distribution to a thousandth.
    """

    rows: PositiveInt
    regularisation: Positive
    iterations: PositiveInt

    def _plan(self, mass: Float[Tensor, " n"], cost: Float[Tensor, "n n"]) -> Float[Tensor, "n n"]:
        kernel = -cost / (self.regularisation * cost.mean())
        rows, columns = mass.log(), torch.full_like(mass, 1 / len(mass)).log()
        u, v = torch.zeros_like(rows), torch.zeros_like(columns)
        for _ in range(self.iterations):
            v = columns - torch.logsumexp(kernel + u[:, None], 0)
            u = rows - torch.logsumexp(kernel + v, 1)
        return (kernel + u[:, None] + v).exp()


def _alike(x1: Float[Tensor, "n *event"], context: Context) -> list[Int[Tensor, " _"]]:
    """The rows under each context; all of them where there is none."""
    if context is None:
        return [torch.arange(len(x1), device=x1.device)]
    _, which = torch.unique(_at_least_single(context), dim=0, return_inverse=True)
    return list(which.argsort(stable=True).split(which.bincount().tolist()))


def _at_least_single(rows: Float[Tensor, "n *event"]) -> Float[Tensor, "n d"]:
    """Rows in a precision that distances and orders are computed in: half precision has none."""
    return rows.flatten(1).to(torch.promote_types(rows.dtype, torch.float32))
