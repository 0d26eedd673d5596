"""A run of ``genlab solve``: a PDE, a network, and a sampler of its collocation points."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import torch
from jaxtyping import Float
from lightning.fabric.utilities.seed import seed_everything
from omegaconf import OmegaConf
from torch import Tensor

from genlab.assembly.run import Run
from genlab.config.build import build
from genlab.config.check import READ
from genlab.config.prune import OPTIONAL
from genlab.densities.density import Density
from genlab.errors import UserError
from genlab.learning.checkpoint_io import load_checkpoint
from genlab.learning.weights import start_from
from genlab.pde import Problem, jets_of
from genlab.pinn import GradientPINNLearner, LeastSquaresPINNLearner, Network, PINNLearner
from genlab.pinn.callbacks import Keeper
from genlab.pinn.figures import animate_stages, curves_figure, stages_figure
from genlab.pinn.solution import solution_figures
from genlab.pinn.stages import read_stages
from genlab.runs.directory import RunDirectory
from genlab.runs.files import atomic_path
from genlab.samplers import Sampler

if TYPE_CHECKING:
    from lightning.pytorch.callbacks import Callback
    from matplotlib.figure import Figure

__all__ = ["Solve"]

ROWS_AT_ONCE = 8192


class Solve(Run):
    """One solve of a PDE, by a network whose collocation points a sampler chooses.

    >>> import genlab
    >>> solve = genlab.experiment("problem=peak", "sampler=das", "model=realnvp", command="solve")
    >>> x = solve.problem.domain.sample(5, generator=None)
    >>> solve.network(x).shape, solve.density.log_prob(x).shape
    (torch.Size([5]), torch.Size([5]))

    Attributes:
        problem: The PDE, with its solution where it is known.
        network: ``u``: ``network(x)`` is the solution at points ``[n, d]``.
        sampler: What chooses the points; its model is `density`.
    """

    problem: Problem
    network: Network
    sampler: Sampler
    module: PINNLearner

    def _assemble(self) -> None:
        config = self.config
        self.problem = build(config, "problem")
        self.data = build(config, "data")
        # First, so that it starts the same whatever chooses its points.
        self.network = build(config, "pinn", self.problem)
        common = {"domain": self.problem.domain, "n_points": self.problem.n_points}
        if config.model is not None:
            common["model"] = build(config, "model")
        if config.objective is not None:
            common["objective"] = build(config, "objective")
        chosen = OmegaConf.masked_copy(
            config.sampler, [k for k in config.sampler if k not in READ["sampler"]]
        )
        self.sampler = build({"sampler": chosen}, "sampler", seed=config.seed, **common)
        for key, method in (("redraw", "_redraw"), ("rounds", "settled")):
            value, kind = config.sampler.get(key), type(self.sampler)
            if value and getattr(kind, method) is getattr(Sampler, method):
                raise UserError(f"sampler.{key}={value}: {kind.__name__} has no use for it")
        steps = {name: build(config, name) for name in OPTIONAL if config[name] is not None}
        by_gradients = "_partial_" in config.optimizer
        learner = GradientPINNLearner if by_gradients else LeastSquaresPINNLearner
        self.module = learner(
            self.network,
            self.settings,
            sampler=self.sampler,
            indicator=build(config, "indicator"),
            refresh=config.sampler.refresh,
            redraw=config.sampler.get("redraw"),
            rounds=config.sampler.get("rounds") or 0,
            seed=config.seed,
            **steps,
        )

    def initialise(self) -> None:
        """Give the network the weights of another run, where that is asked for."""
        seed_everything(self.config.seed, verbose=False)
        start_from(self.network, self.settings.warm_start)

    def _remarks(self) -> tuple[str, ...]:
        return self.network.remarks

    @property
    def density(self) -> Density:
        """The sampler's model, which learns where the residual is large.

        Raises:
            UserError: The sampler has none.
        """
        model = getattr(self.sampler, "model", None)
        if not isinstance(model, Density):
            raise UserError(
                f"sampler={self.config.choices.sampler}: it learns no density; a solve with das, "
                "aas or bootstrap does"
            )
        return model

    @property
    def likelihood(self) -> str:
        return self.density.likelihood if hasattr(self.sampler, "model") else "none"

    @property
    def model(self) -> NoReturn:
        """Neither: a solve has two that learn.

        Raises:
            AttributeError: Always.
        """
        raise AttributeError(
            "a solve has no .model: .network is the solution u, .density the sampler's model"
        )

    @torch.no_grad()
    def at(self, x: Float[Tensor, "n d"]) -> dict[str, Float[Tensor, " n"]]:
        """``u`` and its slopes at points: each component, as ``u``, and ``u_x``, ``u_y``, ...

        They are in float64 on the CPU, and NaN outside the domain.

        >>> import genlab
        >>> solve = genlab.experiment(problem="burgers", command="solve")
        >>> [*solve.at(torch.rand(5, 2))]
        ['u', 'u_x', 'u_t']

        Args:
            x: Points, ``[n, d]``.
        """
        network, columns = self.network, dict[str, list[Tensor]]()
        for some in x.split(ROWS_AT_ONCE):
            jets = jets_of(network.jet(network.frame(network.cast(some))))
            for name, u in zip(self.problem.components, jets, strict=True):
                assert u.gradient is not None
                slopes = zip(self.problem.coordinates, u.gradient.unbind(1), strict=True)
                named = {name: u.value} | {f"{name}_{by}": slope for by, slope in slopes}
                for key, column in named.items():
                    columns.setdefault(key, []).append(column.double().cpu())
        outside = ~self.problem.domain.contains(x.cpu())
        return {
            name: torch.cat(parts).masked_fill(outside, math.nan) for name, parts in columns.items()
        }

    def restore(self) -> None:
        """Take the best weights of the run's directory, with the sampler as it was then.

        After a fit the sampler stays as the fit left it: what the run cost is told by it.

        Raises:
            RunError: The checkpoint is missing or damaged, or of another model.
        """
        super().restore()
        assert self.directory is not None
        if not self.module.step:
            path = self.directory.weights
            self.module.restore(load_checkpoint(path)["solve"], path)

    def animate(self, folder: Path) -> Path:
        """Write the stages as ``stages.gif``, and return its path.

        Raises:
            UserError: The run has kept no stages.
        """
        assert self.directory is not None
        stages = read_stages(self.directory.stages)
        if not stages:
            raise UserError(f"plot --animate: {self.directory.stages} holds no stages")
        path = folder / "stages.gif"
        with atomic_path(path) as temporary:
            animate_stages(stages, self.problem, temporary)
        return path

    def _evaluate(self) -> dict[str, float]:
        numbers = self.module.judge.metrics(self.network)
        metrics = {f"test/{name}": value for name, value in numbers.items()}
        exact = self.problem.reference().exact
        if exact is not None:
            # |u*| / |u*|
            metrics["test/relative_l2/zero"] = 1.0 if exact.any() else math.nan
        return metrics

    def _costs(self) -> dict[str, float]:
        parameters = sum(p.numel() for p in self.network.parameters())
        return {
            **super()._costs(),
            "model/parameters": float(parameters),
            **self.module.costs(),
            **self.module.sampler_scalars(),
        }

    def _keepers(self, run: RunDirectory) -> list[Callback]:
        return [Keeper(run)]

    def _draw(self, columns: Sequence[str | int] = ()) -> dict[str, Figure]:
        assert self.directory is not None
        if columns:
            raise UserError("columns: chooses those of a table; a solve has none")
        state = load_checkpoint(self.directory.last)["solve"]
        figures = {"curves": curves_figure(state["history"], state.get("jumps", ()))}
        if stages := read_stages(self.directory.stages):
            figures["stages"] = stages_figure(stages, self.problem)
            figures |= solution_figures(self.network, stages[-1].x)
        return figures
