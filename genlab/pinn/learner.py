"""The alternating solve: some steps on the points, then new points from the residual."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.batch import Batch
from genlab.bounds import NonNegativeInt, PositiveInt
from genlab.data.module import DataModule
from genlab.data.streams import NoSamples, Stream
from genlab.learning.checkpoint_io import check_weights
from genlab.learning.gradient import GradientLearner
from genlab.learning.learner import Learner
from genlab.learning.rng import rng_state, set_rng_state
from genlab.learning.settings import TrainerSettings
from genlab.pde import squared
from genlab.pinn.indicators import Criterion
from genlab.pinn.judge import Judge
from genlab.pinn.network import Frame, Network, Term
from genlab.pinn.stages import Snapshots, Stage
from genlab.randomness import generator
from genlab.samplers import Points, Sampler
from genlab.samplers.weights import uniform_weights

__all__ = ["Collocation", "GradientPINNLearner", "PINNLearner", "domain_mean"]


class PINNLearner(Learner):
    """Minimises ``int r(u)^2 dx / |Omega|`` by points that follow the residual.

    Every ``refresh`` steps the sampler looks at the indicator of the present network and gives the
    points of the next stage; in between, each step is on all of them (Tang, Wan, Yang, "DAS-PINNs:
    a deep adaptive sampling method for solving high-dimensional partial differential equations",
    2023, arXiv:2112.14038, algorithm 1). Where they come with their density ``q``, each counts by
    ``1 / (|Omega| q)``. Subclasses say in `update` what a step is.

    >>> import genlab
    >>> solve = genlab.experiment(problem="peak", sampler="rad", command="solve")
    >>> sorted(solve.module.validate(None)), solve.module.points is None
    (['val/loss', 'val/relative_l2'], True)

    Args:
        network: ``u``.
        settings: How long, where and how carefully.
        sampler: Chooses the points.
        indicator: What the sampler follows.
        refresh: Steps between two refreshes.
        redraw: Steps between two draws from the density of one refresh; None to keep its points.
        rounds: Most refreshes before the first step, beside the first one: the residual of a
            network that has learned nothing tells where the right-hand side is large, and a density
            may want several to find it.
        seed: Seed of the points on a soft boundary.
        steps: What the steps are taken by, for a subclass.

    Attributes:
        points: The present points; None before the first step.
        idle_seconds: Seconds spent in what is no part of the method.
        evaluations: Points at which the residual was computed, by steps and by the sampler.
        sampler_seconds: Seconds spent in refreshes.
        history: A row of numbers for each validation, before a resume too.
        stages: Stages that nobody has kept yet.
    """

    def __init__(
        self,
        network: Network,
        settings: TrainerSettings,
        *,
        sampler: Sampler,
        indicator: Criterion,
        refresh: PositiveInt,
        redraw: PositiveInt | None,
        rounds: NonNegativeInt = 0,
        seed: int,
        **steps: Any,
    ) -> None:
        super().__init__(network, settings, **steps)
        self.sampler = sampler
        self.indicator = indicator
        self.refresh = refresh
        self.redraw = redraw
        self.rounds = rounds
        self.seed = seed
        self.judge = Judge(network.problem)
        self.snapshots = Snapshots(network.problem)
        known = network.problem.has_exact
        self.reports = ("val/loss", "val/relative_l2") if known else ("val/loss",)
        self.points: Points | None = None
        self.evaluations = 0
        self.sampler_seconds = 0.0
        self.idle_seconds = 0.0
        self.history: list[dict[str, float]] = []
        self.stages: list[Stage] = []
        self._frame: Frame | None = None
        self._conditions: list[Term] = []
        self._log_q: Tensor | None = None
        self._sampler_scalars: dict[str, float] = {}

    @property
    def network(self) -> Network:
        """``u``, which is what learns here."""
        network: Network = self.model
        return network

    def arrange(self) -> bool:
        """Choose the points of the coming step; whether they are other ones than before."""
        before = self.points
        if self.points is None or self.step % self.refresh == 0:
            with self.undoable(partial(self._undo_refresh, self._state(), rng_state())):
                self._refresh()
        elif self.is_to_redraw:
            with self.undoable(partial(self._undo_redraw, self.points, self.sampler.draw)):
                self._redraw()
        if self._frame is None:
            with self.undoable(lambda: None):  # no checkpoint holds any of it
                self._prepare()
        return self.points is not before

    @property
    def taken(self) -> Points:
        """The points that steps are taken on: the present ones."""
        assert self.points is not None
        return self.points

    @property
    def is_to_redraw(self) -> bool:
        """Whether the coming step is to be on other points of the same density."""
        return self.redraw is not None and self.step % self.redraw == 0

    def validate(self, batch: Any, number: int = 0) -> dict[str, Float[Tensor, ""]]:
        numbers = self.judge.metrics(self.network)
        error = numbers.get("relative_l2")
        row = {
            "step": float(self.step),
            "evaluations": float(self.evaluations),
            "seconds": self.solve_seconds,
            "residual": numbers["residual"],
        }
        self.history.append(row if error is None else row | {"relative_l2": error})
        # Without its boundary, a network that is flat would solve any homogeneous equation.
        metrics = {"val/loss": numbers["residual"] + numbers.get("conditions", 0.0)}
        if error is not None:
            metrics["val/relative_l2"] = error
        return {key: torch.tensor(value) for key, value in metrics.items()}

    def validation_step(self, batch: Any, index: int) -> None:
        with self.paused():
            self._validation.append((1.0, 1.0, self.validate(batch)))

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Do what is no part of the method: its time does not count for the solve."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.idle_seconds += time.monotonic() - began

    def scalars(self) -> dict[str, float]:
        return super().scalars() | self._sampler_scalars | self.costs()

    def costs(self) -> dict[str, float]:
        """Costs of the solve so far, by tag; seconds without those of validations."""
        seconds = self.solve_seconds
        return {
            "pinn/points": float(0 if self.points is None else len(self.taken.x)),
            "pinn/residual_evaluations": float(self.evaluations),
            "time/solve_seconds": seconds,
            "time/sampler_seconds": self.sampler_seconds,
            "time/sampler_share": self.sampler_seconds / max(seconds, 1e-9),
        }

    @property
    def solve_seconds(self) -> float:
        """Seconds of steps and refreshes; without those of validations and figures."""
        return self.seconds - self.idle_seconds

    def sampler_scalars(self) -> dict[str, float]:
        """The sampler's own numbers of its last refresh."""
        return dict(self._sampler_scalars)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["solve"] = self._state()

    def _state(self) -> dict[str, Any]:
        """The state that `restore` goes on from."""
        return {
            "points": None if self.points is None else self.points._asdict(),
            "sampler": self.sampler.state_dict(),
            "scalars": self._sampler_scalars,
            "evaluations": self.evaluations,
            "sampler_seconds": self.sampler_seconds,
            "idle_seconds": self.idle_seconds,
            "history": self.history,
        }

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self.restore(checkpoint["solve"], Path(str(self.trainer.ckpt_path)))

    def restore(self, state: dict[str, Any], path: Path | None = None) -> None:
        """Go on from the points, the sampler and the costs of a checkpoint.

        Args:
            state: The checkpoint's ``solve``, or the same of this learner at an earlier step.
            path: The checkpoint, where it is one of a file.

        Raises:
            RunError: The weights of the sampler's model are those of another one.
        """
        model = getattr(self.sampler, "model", None)
        if path is not None and isinstance(model, nn.Module):
            check_weights(model, state["sampler"]["proposal"]["model"], path)
        self.points = None if state["points"] is None else Points(**state["points"])
        self.sampler.load_state_dict(state["sampler"])
        self._sampler_scalars = state["scalars"]
        self.evaluations = state["evaluations"]
        self.sampler_seconds = state["sampler_seconds"]
        self.idle_seconds = state["idle_seconds"]
        self.history = state["history"]
        self._frame = None

    def _undo_refresh(self, state: dict[str, Any], rng: dict[str, Any]) -> None:
        """Restore the state before a refresh."""
        self.restore(state)
        set_rng_state(rng)

    def _undo_redraw(self, points: Points, draw: int) -> None:
        """Restore the points before a redraw."""
        self.points, self.sampler.draw, self._frame = points, draw, None

    def _refresh(self) -> None:
        """New points from the residual of the present network."""
        began = time.monotonic()
        rounds = self.rounds if self.points is None and not self.sampler.grows else 0
        self.points = self.sampler.refresh(self.points, self._indicate)
        while rounds > 0 and not self.sampler.settled and not self.out_of_time():
            self.points = self.sampler.refresh(self.points, self._indicate)
            rounds -= 1
        self._prepare()
        self.sampler_seconds += time.monotonic() - began
        self._sampler_scalars = self.sampler.metrics()
        with self.paused():
            stage = self.snapshots.take(
                self.step, self.network, self.indicator, self.sampler, self.points
            )
            self.stages.append(stage)
            if (divergence := self.snapshots.kl(stage)) is not None:
                # Of the new q; what the sampler estimated is about the model before it was taught.
                self._sampler_scalars["sampler/kl_grid"] = divergence

    def _redraw(self) -> None:
        """Other points of the present stage's density."""
        assert self.points is not None
        began = time.monotonic()
        before, self.points = self.points, self.sampler.redraw(self.points)
        if self.points is not before:
            self._prepare()
        self.sampler_seconds += time.monotonic() - began

    def _prepare(self) -> None:
        """Prepare what stays the same for all steps on the present points."""
        network = self.network
        x, log_q = self.taken
        self._frame = network.frame(network.cast(x))
        self._log_q = None if log_q is None else log_q.to(network.scale.device)
        draw = generator(self.seed, "boundary", self.sampler.round)
        self._conditions = network.conditions(draw)

    @torch.no_grad()
    def _indicate(self, x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """The indicator of the present network, for the sampler."""
        self.evaluations += len(x)
        frame = self.network.frame(self.network.cast(x))
        u = self.network.jet(frame)
        return self.indicator(u, self.network.residual(frame, u)).to(x)


class GradientPINNLearner(PINNLearner, GradientLearner):
    """One step is one gradient step on the loss at the present points.

    Takes what a `PINNLearner` takes, an ``optimizer``, which makes one of parameters, and a
    ``schedule``, the factor on its rate.

    References: arXiv:2112.14038.

    >>> import genlab
    >>> solve = genlab.experiment(problem="peak", optimizer="adam", command="solve")
    >>> type(solve.module).__name__, solve.settings.precision
    ('GradientPINNLearner', '32-true')
    """

    def update(self, batch: Any) -> Float[Tensor, ""]:
        self.arrange()
        assert self.points is not None
        self.evaluations += len(self.points.x)
        return super().update(batch)

    def loss(self, batch: Any) -> Float[Tensor, ""]:
        assert self._frame is not None
        squares = squared(self.network.residual(self._frame))
        loss = domain_mean(squares, self._log_q, log_uniform=self.sampler.domain.log_uniform)
        if self._conditions:
            loss = loss + self.network.miss(self._conditions)
        return loss


class Collocation(DataModule):
    """Steps on the points that the learner itself holds.

    >>> Collocation(event_shape=[2]).validation.x.shape
    torch.Size([1, 0])

    Args:
        event_shape: Shape of a point, which the sampler's model takes from here.
    """

    def __init__(self, *, event_shape: Sequence[PositiveInt]) -> None:
        super().__init__(event_shape=event_shape, batch_size=1, standardise=False)
        self._stream = NoSamples()

    @property
    def stream(self) -> Stream:
        return self._stream

    @property
    def validation(self) -> Batch:
        """One row, for one validation, on points that the learner knows."""
        return self._stream.rows(0, 1)

    @property
    def test(self) -> None:
        return None


def domain_mean(
    values: Float[Tensor, " n"], log_q: Float[Tensor, " n"] | None, *, log_uniform: float
) -> Float[Tensor, ""]:
    """``1/n sum_i values_i / (|Omega| q(x_i))``: an estimate of ``int values dx / |Omega|``.

    It is the integral over ``|Omega|``, the mean over the domain, so that a loss has the same scale
    whichever sampler drew its points, and uniform points give the plain mean, since there
    ``|Omega| q = 1``. No gradient flows through ``q``.

    Args:
        values: What is integrated, at points ``x_i ~ q``.
        log_q: Log-density of the points; None for the plain mean, where it is unknown or all
            points are to count the same.
        log_uniform: ``-log |Omega|``.
    """
    if log_q is None:
        return values.mean()
    return (values * uniform_weights(log_q, log_uniform=log_uniform).to(values)).mean()
