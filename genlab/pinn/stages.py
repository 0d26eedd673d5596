"""Stages of an alternating solve: what the sampler saw, what it made of it, kept in files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from genlab.pde import Grid, Problem, grid_divergence, jets_of, squared
from genlab.pinn.indicators import Criterion
from genlab.pinn.judge import centred
from genlab.pinn.network import Frame, Network
from genlab.runs.files import atomic_path
from genlab.samplers import Points, Sampler
from genlab.samplers.weights import uniform_weights

__all__ = ["SIZE", "Snapshots", "Stage", "read_stages", "weights_of", "write_stage"]

SIZE = 100
"""Grid points a side of the fields."""
SLICES, SIDE = 3, 60
"""Of three coordinates: slices, and points a side of each."""


@dataclass(frozen=True)
class Stage:
    """The state right after a refresh.

    Fields are numbers on the nodes of a regular grid over the domain's box, row by row along the
    last coordinate, NaN outside the domain; only in the plane, and None elsewhere. Of three
    coordinates there is the residual, at some values of the third one.

    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     write_stage(Stage(300, torch.rand(5, 3), torch.ones(5)), Path(folder))
    ...     [stage] = read_stages(Path(folder))
    >>> stage.step, stage.x.shape, stage.residual
    (300, torch.Size([5, 3]), None)

    Attributes:
        step: Training steps taken before.
        x: The new points, ``[n, d]``.
        weight: The weight of each in the loss, mean about 1, ``[n]``.
        residual: ``r^2`` of the network that the sampler saw.
        indicator: ``h / Z``, the density that the sampler was to follow.
        density: The density of the sampler's next draw; None where it has none.
        error: ``|u - u*|``; None where the solution is not known.
    """

    step: int
    x: Float[Tensor, "n d"]
    weight: Float[Tensor, " n"]
    residual: Float[Tensor, "size size *slices"] | None = None
    indicator: Float[Tensor, "size size"] | None = None
    density: Float[Tensor, "size size"] | None = None
    error: Float[Tensor, "size size"] | None = None


def write_stage(stage: Stage, folder: Path) -> None:
    """Keep a stage as ``stage-STEP.npz``, whole or not at all."""
    folder.mkdir(exist_ok=True)
    parts = {field.name: getattr(stage, field.name) for field in fields(stage)}
    arrays = {
        name: part.float().cpu().numpy() if isinstance(part, Tensor) else np.asarray(part)
        for name, part in parts.items()
        if part is not None
    }
    with atomic_path(folder / f"stage-{stage.step:08d}.npz") as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **arrays)


def read_stages(folder: Path) -> list[Stage]:
    """All stages that were kept, in order."""
    return [_read(np.load(path)) for path in sorted(folder.glob("stage-*.npz"))]


def _read(arrays: Mapping[str, np.ndarray]) -> Stage:
    parts = {name: torch.from_numpy(arrays[name]) for name in arrays if name != "step"}
    return Stage(step=int(arrays["step"]), **parts)


class Snapshots:
    """Takes stages, with fields on a grid where the domain has two or three coordinates.

    >>> from genlab.pde import Peak
    >>> from genlab.pinn import SquaredResidual
    >>> from genlab.samplers import UniformSampler
    >>> problem = Peak()
    >>> sampler = UniformSampler(domain=problem.domain, n_points=5)
    >>> points = sampler.refresh(None, torch.zeros)
    >>> network = Network(problem, hidden=[8])
    >>> Snapshots(problem).take(0, network, SquaredResidual(), sampler, points).residual.shape
    torch.Size([100, 100])

    Args:
        problem: What is solved.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self._prepared: tuple[Grid, Frame] | None = None

    @torch.no_grad()
    def take(
        self, step: int, network: Network, indicator: Criterion, sampler: Sampler, points: Points
    ) -> Stage:
        """The stage of a network and of the points that a sampler chose by it."""
        weight = weights_of(points, sampler.domain.log_uniform)
        x = points.x.cpu()
        if not 2 <= self.problem.dim <= 3:
            return Stage(step, x, weight)
        grid, frame = self._on_grid(network)
        u = network.jet(frame)
        residual = network.residual(frame, u)
        if self.problem.dim == 3:
            return Stage(step, x, weight, residual=grid.field(squared(residual)))
        h = indicator(u, residual)
        log_q = sampler.log_prob(frame.x.float().cpu())
        error = None
        if self.problem.has_exact:
            values = torch.stack([one.value for one in jets_of(u)], 1)
            exact = self.problem.exact(frame.x).view(values.shape)
            error = centred(self.problem, values - exact, values.new_ones(len(values))).norm(dim=1)
        return Stage(
            step,
            x,
            weight,
            residual=grid.field(squared(residual)),
            indicator=grid.field(grid.normalised(h)),
            density=None if log_q is None else grid.field(log_q.exp()),
            error=None if error is None else grid.field(error),
        )

    def kl(self, stage: Stage) -> float | None:
        """``KL(h / Z || q)`` by the sum over the grid; None where there is no density."""
        if stage.indicator is None or stage.density is None:
            return None
        return grid_divergence(stage.indicator, stage.density)

    def _on_grid(self, network: Network) -> tuple[Grid, Frame]:
        """The grid, and the network's frame of its points in the domain, prepared once."""
        if self._prepared is None:
            domain = self.problem.domain
            grid = Grid(domain, SIZE) if domain.dim == 2 else Grid(domain, SIDE, slices=SLICES)
            self._prepared = grid, network.frame(network.cast(grid.x))
        return self._prepared


def weights_of(points: Points, log_uniform: float) -> Float[Tensor, " n"]:
    """The weight ``1 / (|Omega| q)`` of each point in the loss; 1 where ``q`` is not known."""
    if points.log_q is None:
        return torch.ones(len(points.x))
    return uniform_weights(points.log_q, log_uniform=log_uniform).float().cpu()
