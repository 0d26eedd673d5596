"""The residual of a PINN as data: a generative model learns to draw points where it is large."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cached_property, partial

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.batch import Batch
from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.data.module import DataModule
from genlab.data.streams import Blocks, Stream
from genlab.descent import descend
from genlab.errors import UserError
from genlab.learning.weights import load_weights
from genlab.pde import Grid, squared
from genlab.pinn.network import Frame, Network, Term
from genlab.randomness import generator
from genlab.runs.find import resolve
from genlab.samplers.sampler import evaluated
from genlab.samplers.weights import systematic
from genlab.targets.cells import CellDensity
from genlab.targets.target import Target

__all__ = ["ResidualData", "pretrain"]

log = logging.getLogger(__name__)

BLOCK = 32768
"""Training rows that are made together."""

# Of the network that leaves the residual, where no solve gives one.
RATE = 2e-3
FRESH_EVERY = 50


class ResidualData(DataModule):
    """Points of a PDE's domain, weighted by ``r(u)^2`` or resampled by it.

    The network u is that of a solve, or is trained here for some steps on uniform points. In the
    plane, `target` is ``r^2 / int r^2`` on a grid of cells, exact to draw from and to compare with;
    in other dimensions there is none, and weighted points stand for it.

    References: arXiv:2112.14038.

    >>> from genlab.pde import Peak
    >>> data = ResidualData(pinn=Network(Peak(), hidden=[16]), event_shape=[2], steps=5, cells=64)
    >>> data.target.log_prob(data.validation.x).isfinite().all()
    tensor(True)

    Args:
        pinn: The network ``u``, which is trained here or takes the weights of a run.
        event_shape: Shape of a point.
        run: A solve whose network, of the same shape, this is; None to train one.
        steps: Training steps without a run.
        resample: Draw points in proportion to ``r^2`` from as many uniform ones, in the place of
            uniform ones with weights: for families that are not learned by a likelihood.
        cells: Cells along each side of the target's grid.
        val_size: Number of samples to validate on.
        test_size: Number of samples to test on.
        batch_size: Rows that one training step sees.
        standardise: Let the model work on data of zero mean and unit variance.
        seed: The run's seed.

    Attributes:
        network: ``u``.

    Raises:
        UserError: The problem has another dimension, or there is no such run.
        RunError: The checkpoint of the run is damaged.
    """

    def __init__(
        self,
        *,
        pinn: Network,
        event_shape: Sequence[PositiveInt],
        run: str | None = None,
        steps: NonNegativeInt = 300,
        resample: bool = False,
        cells: PositiveInt = 256,
        val_size: PositiveInt = 10_000,
        test_size: PositiveInt = 10_000,
        batch_size: PositiveInt = 2000,
        standardise: bool = True,
        seed: NonNegativeInt = 0,
    ) -> None:
        super().__init__(event_shape=event_shape, batch_size=batch_size, standardise=standardise)
        self.network = pinn
        self.domain = pinn.problem.domain
        self.resample = resample
        self.val_size = val_size
        self.test_size = test_size
        self.seed = seed
        if self.event_shape != (self.domain.dim,):
            raise UserError(
                f"event_shape={list(self.event_shape)}: the problem has {self.domain.dim} "
                "coordinates; choose the same problem, or set its `dim`"
            )
        if run is None:
            log.info("training a network for its residual")
            pretrain(pinn, steps=steps, seed=seed)
        else:
            load_weights(pinn, resolve(run).best)
        pinn.requires_grad_(False).eval()
        self.target = self._on_cells(cells) if self.domain.dim == 2 else None

    @cached_property
    def stream(self) -> Stream:
        return _ResidualPoints(self)

    @cached_property
    def validation(self) -> Batch:
        return self._held_out("validation", self.val_size)

    @cached_property
    def test(self) -> Batch:
        return self._held_out("test", self.test_size)

    @property
    def remarks(self) -> tuple[str, ...]:
        return self.network.remarks

    def first_rows(self, n: int = 10_000) -> Batch:
        """Resampled rows: what starts from data knows no weights."""
        return self._resampled(self.weighted(n, "start"), "start")

    def squared_residual(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """``r(u)^2`` at points."""
        return squared(self.network.residual(self.network.frame(x)))

    def weighted(self, n: int, purpose: str, index: int = 0) -> Batch:
        """Uniform points with the weights ``r^2``, whose mean is made 1."""
        x = self.domain.sample(n, generator=generator(self.seed, f"residual/{purpose}", index))
        h = evaluated(self.squared_residual, x)
        return Batch(x, weight=(h / h.mean()).to(x))

    def rows(self, n: int, index: int) -> Batch:
        """A block of training rows."""
        points = self.weighted(n, "train", index)
        return self._resampled(points, "train", index) if self.resample else points

    def _resampled(self, points: Batch, purpose: str, index: int = 0) -> Batch:
        draw = generator(self.seed, f"residual/resample/{purpose}", index)
        assert points.weight is not None
        chosen = systematic(points.weight.double(), len(points.x), generator=draw)
        return Batch(points.x[chosen])

    def _held_out(self, purpose: str, n: int) -> Batch:
        if self.target is None:
            return self.weighted(n, purpose)
        return Batch(self.target.sample(n, generator=generator(self.seed, f"residual/{purpose}")))

    def _on_cells(self, cells: int) -> Target:
        grid = Grid(self.domain, cells, centred=True)
        weight = evaluated(self.squared_residual, self.network.cast(grid.x))
        first, second = self.domain.box
        return CellDensity(grid.field(weight, outside=0.0), (first, second))


class _ResidualPoints(Blocks, Stream):
    """Fresh uniform points, weighted or resampled, block by block."""

    def __init__(self, data: ResidualData) -> None:
        super().__init__(seed=data.seed, block=BLOCK)
        self.data = data

    def rows(self, start: int, stop: int) -> Batch:
        rows = self._slice(start, stop)
        if self.data.resample:
            return Batch(rows)
        return Batch(rows[:, :-1], weight=rows[:, -1])

    def _make(self, index: int) -> Float[Tensor, "block columns"]:
        batch = self.data.rows(self.block, index)
        if batch.weight is None:
            return batch.x
        return torch.cat((batch.x, batch.weight[:, None]), 1)


def pretrain(network: Network, *, steps: int, seed: int) -> None:
    """Lower the mean of ``r^2`` by Adam, with fresh uniform points every 50 steps.

    Args:
        network: ``u``, changed in place.
        steps: Gradient steps.
        seed: Seed of the points.
    """
    problem = network.problem
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE, fused=True)
    for step in range(0, steps, FRESH_EVERY):
        draw = generator(seed, "pretraining", step)
        x = problem.domain.sample(problem.n_points, generator=draw)
        loss = partial(_squares, network, network.frame(network.cast(x)), network.conditions(draw))
        descend(loss, optimizer, steps=min(FRESH_EVERY, steps - step))


def _squares(network: Network, frame: Frame, conditions: list[Term], step: int) -> Tensor:
    return squared(network.residual(frame)).mean() + network.miss(conditions)
