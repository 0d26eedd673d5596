"""The solve by steps on the residual as a least-squares problem, and what guards them."""

from __future__ import annotations

import math
import statistics
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from genlab.errors import RunError, UserError
from genlab.learning.ema import KeptWeights
from genlab.learning.settings import TrainerSettings
from genlab.memory import free_memory
from genlab.pde.problem import squared, zero_jets
from genlab.pinn.learner import PINNLearner
from genlab.pinn.least_squares import Method, Step
from genlab.pinn.network import Frame, Network, Term
from genlab.pinn.rows import Rows, rows_at
from genlab.randomness import generator
from genlab.samplers import Points

__all__ = ["LeastSquaresPINNLearner"]

JUMPY = 10.0
"""Loss on fresh points over that on those just left, above which the points were overfitted."""
CALM = 3.0
"""The same, below which they can be kept for longer."""
GROW = 1.5
"""The same, above which a step takes twice as many points, while there are more."""
STRIDE = 4
"""Points of which steps take one, at first."""
REMEMBERED = 3
"""Jumps whose median counts."""
LOOKED_AT = 1000
"""Points at which the size of the equation's terms is looked at."""


class LeastSquaresPINNLearner(PINNLearner):
    """One step is one of a second-order method, on rows ``r(x_i) / (n |Omega| q(x_i))^(1/2)``.

    So strong a step fits its points to the last digit and may leave the integral between them. So
    each redraw compares the loss on the new points with that on those just left (`jumps`). Steps
    begin on a quarter of the points and take twice as many where it is above 1.5; where it is large
    on all of them, the coming points are redrawn sooner. And the weights that are validated, tested
    and kept are those with the least loss on points of the same density that no step has seen.

    References: doi:10.1137/0111030; arXiv:2112.14038.

    >>> import genlab
    >>> solve = genlab.experiment(problem="peak", sampler="das", command="solve")
    >>> type(solve.module).__name__, solve.settings.precision
    ('LeastSquaresPINNLearner', '64-true')

    Args:
        network: ``u``, in float64.
        settings: How long, where and how carefully.
        optimizer: The method.
        points: What a `PINNLearner` takes.

    Attributes:
        jumps: The step of each, and the jump.
        pace: Steps between two redraws, at most ``redraw``.
        stride: Points of which the steps take one.

    Raises:
        UserError: The settings ask for what belongs to gradients, or for single precision; or, in a
            fit, the points and weights for more memory than is free.
    """

    def __init__(
        self, network: Network, settings: TrainerSettings, *, optimizer: Method, **points: Any
    ) -> None:
        super().__init__(network, settings, **points)
        self.method = optimizer
        settings.refuse_gradients(optimizer, "`optimizer=adam` does")
        if settings.dtype != torch.float64:
            raise UserError(
                f"precision={settings.precision}: {type(optimizer).__name__} squares the condition "
                "of the Jacobian, which wants float64; use `precision='64-true'`"
            )
        self.jumps: list[tuple[int, float]] = []
        self.pace = self.redraw
        self.stride = STRIDE
        self._stuck = False
        self._left_loss: float | None = None
        self._rows: Rows | None = None
        self._held_out: Points | None = None
        self._held_out_rows: Rows | None = None
        self._least_loss = math.inf
        self._loaded_best: dict[str, Any] | None = None
        self._step: Step | None = None

    def configure_optimizers(self) -> list[Any]:
        return []

    def on_fit_start(self) -> None:
        super().on_fit_start()
        # Only now do the weights have their device and their type.
        self.best = KeptWeights(self.model)
        if self._loaded_best is not None:
            self.best.load_state_dict(self._loaded_best)

    @property
    def is_to_redraw(self) -> bool:
        return self.pace is not None and (self._stuck or self.step % self.pace == 0)

    @property
    def taken(self) -> Points:
        """Some of the present points: at first, few tell what all of them would."""
        x, log_q = super().taken
        return Points(x[:: self.stride], None if log_q is None else log_q[:: self.stride])

    @property
    def jump(self) -> float:
        """The median of the last jumps; NaN before the first."""
        last = [jump for _, jump in self.jumps[-REMEMBERED:]]
        return statistics.median(last) if last else math.nan

    @torch.no_grad()
    def update(self, batch: Any) -> Float[Tensor, ""]:
        fresh = self.arrange()
        rows = self._rows
        assert rows is not None
        unseen = None
        if fresh or self.step % self.refresh == 0:
            self.method.renew()
            unseen = self._judge()
        step = self._step = self.method.step(rows, rows.theta)
        if unseen is not None and self._left_loss is not None:
            held_out = self._held_out_rows
            assert held_out is not None
            now = rows.interior(step.start) if fresh else held_out.interior(unseen)
            self._note_jump(now)
        rows.theta = step.theta
        self.evaluations += rows.spent()
        if not math.isfinite(step.loss):
            raise RunError(
                "solve: the residual of the network is not finite\ntry a smaller `first_gain`, or "
                "look at the problem where its solution may grow without bound"
            )
        self._stuck, self._left_loss = not step.accepted, rows.interior(step.rows)
        return torch.tensor(step.loss)

    def _judge(self) -> Float[Tensor, " n"]:
        """Keep the weights if they are the best so far; the rows on points that are held out."""
        if self._held_out is None or self.step % self.refresh == 0:
            self._hold_out()
        unseen = self._unseen()
        self._keep_if_best(unseen.square().sum().item())
        return unseen

    def _note_jump(self, now: float) -> None:
        """Compare the loss on points that no step has seen with that on those just left."""
        assert self._left_loss is not None
        jump = max(now, self._rounding) / max(self._left_loss, self._rounding)
        self.jumps.append((self.step, jump))
        if jump > GROW and self.stride > 1:
            self.stride, self._frame = self.stride // 2, None
            self.method.renew()
        else:
            self._set_pace()

    @cached_property
    def _rounding(self) -> float:
        """The loss that rounding leaves of a residual as large as that of ``u = 0``: what is solved
        to the last digit has no jumps.
        """
        problem = self.network.problem
        draw = torch.Generator().manual_seed(0)
        x = self.sampler.domain.sample(LOOKED_AT, generator=draw).to(self.network.scale)
        found = self.network.coefficients.items()
        known = {name: value.detach().expand(len(x)) for name, value in found}
        residual = problem.residual(x, zero_jets(x, len(problem.components)), **known)
        size = squared(residual).mean().item() * torch.finfo(x.dtype).eps ** 2
        return max(size, sys.float_info.min)

    def _set_pace(self) -> None:
        if self.pace is None or self.redraw is None or len(self.jumps) < REMEMBERED:
            return
        if self.jump > JUMPY:
            self.pace = max(1, self.pace // 2)
        elif self.jump < CALM:
            self.pace = min(self.redraw, self.pace + 1)

    def _hold_out(self) -> None:
        """Other points for the present stage, on which the best weights are judged once more."""
        self._held_out, self._held_out_rows = self.sampler.held_out(), None
        if self._least_loss < math.inf:
            with self.best.applied():
                self._least_loss = self._score()

    def _score(self) -> float:
        """The loss of the network's weights on the points that are held out."""
        return self._unseen().square().sum().item()

    def _unseen(self) -> Float[Tensor, " n"]:
        """The rows of the network's weights on the points that are held out."""
        assert self._held_out is not None
        if self._held_out_rows is None:
            draw = generator(self.seed, "held out", self.sampler.round)
            self._held_out_rows = self._rows_at(self._held_out, self.network.conditions(draw))
        rows = self._held_out_rows
        r = rows.rows(rows.theta)
        self.evaluations += rows.spent()
        return r

    def _keep_if_best(self, score: float) -> None:
        if score < self._least_loss:
            self.best.take()
            self._least_loss = score

    def remedy(self, run: str) -> str:
        return (
            "look where the residual has no value, or begin with a smaller `first_gain`: genlab "
            f"rerun {run} `first_gain=1`"
        )

    def averaged(self) -> AbstractContextManager[None]:
        if self._held_out is not None:
            self._keep_if_best(self._score())
        return self.best.applied()

    def _prepare(self) -> None:
        super()._prepare()
        assert self.points is not None
        taken, n = self.taken, len(self.points.x)
        self._rows = self._rows_at(taken, self._conditions, self._frame)
        # Asked for all points, which steps may come to take.
        others = self._rows.rows_a_point * (n - len(taken.x))
        rows, weights = len(self._rows) + others, len(self._rows.theta)
        need, free = self.method.memory(rows, weights), free_memory(self.network.scale.device)
        if free is not None and need > free:
            raise UserError(
                f"n_points={len(self.points.x)}: {rows:,} rows by {weights:,} weights take "
                f"{need / 1e9:.2g} GB, and {free / 1e9:.2g} are free; use fewer points, a smaller "
                "`hidden`, or `optimizer=adam`"
            )

    def _rows_at(
        self, points: Points, conditions: Sequence[Term], frame: Frame | None = None
    ) -> Rows:
        log_uniform = self.sampler.domain.log_uniform
        return rows_at(self.network, points, conditions, log_uniform=log_uniform, frame=frame)

    def scalars(self) -> dict[str, float]:
        scalars = super().scalars() | {"pinn/jump": self.jump, "pinn/held_out": self._least_loss}
        if self._step is not None:
            scalars["pinn/tries"] = float(self._step.tries)
        state = self.method.state_dict()
        return scalars | {
            f"pinn/{name}": value for name, value in state.items() if isinstance(value, float)
        }

    def on_fit_end(self) -> None:
        super().on_fit_end()
        if self.jump > JUMPY:
            print(
                f"warning: the loss on fresh points is {self.jump:.3g} times that on those just "
                "left: the network fits its points, and not what lies between them\nuse a sampler "
                "that learns a density, more points, or a smaller network",
                file=sys.stderr,
            )

    def _state(self) -> dict[str, Any]:
        held_out = self._held_out
        return super()._state() | {
            "method": self.method.state_dict(),
            "jumps": [*self.jumps],
            "pace": self.pace,
            "stride": self.stride,
            "stuck": self._stuck,
            "left": self._left_loss,
            "least": self._least_loss,
            "held_out": None if held_out is None else held_out._asdict(),
        }

    def restore(self, state: dict[str, Any], path: Path | None = None) -> None:
        super().restore(state, path)
        self.method.load_state_dict(state["method"])
        self.jumps, self.pace = [*state["jumps"]], state["pace"]
        self.stride = state.get("stride", 1)  # older ones took all points
        self._stuck, self._left_loss = state["stuck"], state["left"]
        self._least_loss = state["least"]
        self._held_out = None if state["held_out"] is None else Points(**state["held_out"])
        self._held_out_rows = None

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["best"] = self.best.state_dict()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        self._loaded_best = checkpoint["best"]
