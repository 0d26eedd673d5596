"""The base class of the families that follow an ODE."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import cast

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from genlab.batch import Batch
from genlab.bijections.bijection import Compose
from genlab.bijections.ode import ODE, DivergenceMethod, ODEGradient, PathCosts
from genlab.bijections.solvers import AdaptiveSolver, ODESolver
from genlab.densities.inference import context_rows, inference, log_probs, spawn
from genlab.models.flow import Flow
from genlab.nn.context import Context
from genlab.nn.precision import full_precision
from genlab.nn.velocity import Velocity

__all__ = ["DOPRI8", "ContinuousFlow"]

# Log-densities outside of training, exact to 1e-5 nats in double precision.
DOPRI8 = AdaptiveSolver(method="dopri8", rtol=1e-6, atol=1e-6)

STRETCHES = 32
"""Of a way: their chords together are as long as the way itself, to 1e-3."""
NUMBERS = 2**16
"""Of all particles: of a field, many numbers tell as much as many particles."""


class ContinuousFlow(Flow):
    """The flow of ``dx/dt = v(x, t, c)`` from the base at t = 0 to the data at t = 1.

    The log-density is exact where the divergence is, up to the error of the ``evaluation`` solver,
    which an evaluation reports as ``ode/error``: with the default one less than 1e-5
    nats in double precision. With Hutchinson's probe it is an unbiased estimate, and labelled so.

    References: arXiv:1806.07366, arXiv:1810.01367.

    >>> import genlab, torch
    >>> model = genlab.models.CNF(2)
    >>> model.ode.encode(torch.randn(5, 2)).shape
    torch.Size([5, 2])

    Args:
        event_shape: Shape of one sample.
        velocity: ``v``, under encoded contexts.
        solver: Follows the ODE to sample, and where its log-density is trained.
        evaluation: Follows it for log-densities outside of training.
        divergence: ``exact``, or the distribution of Hutchinson's probe, which a velocity that
            knows its divergence does without.
        gradient: ``backprop`` through the solver's steps, or by the ``adjoint`` ODE.
        circular: Coordinates that are angles, in which ``v`` is periodic.
        context_dim: Length of the vector that the density is conditioned on; 0 for none.
        labels: Number of classes that the density is conditioned on; 0 for none.

    Attributes:
        ode: The flow, as a bijection of preprocessed data.
    """

    # Each is a solve of a hundred evaluations of the velocity and its divergence.
    test_samples = 10_000
    figures = (*Flow.figures, "paths")

    def __init__(
        self,
        event_shape: tuple[int, ...],
        velocity: Velocity,
        *,
        solver: ODESolver,
        evaluation: ODESolver,
        divergence: DivergenceMethod,
        gradient: ODEGradient,
        circular: Sequence[int],
        context_dim: int,
        labels: int,
    ) -> None:
        super().__init__(event_shape, circular=circular, context_dim=context_dim, labels=labels)
        ode = ODE(
            velocity,
            solver=solver,
            evaluation=evaluation,
            divergence=divergence,
            gradient=gradient,
        )
        self.likelihood = "exact" if ode.is_exact else "estimate"
        self.layers = Compose([ode])

    @property
    def ode(self) -> ODE:
        return cast(ODE, self.layers.layers[0])

    @full_precision
    def log_prob_and_costs(
        self,
        x: Float[Tensor, "n *event"],
        context: Shaped[Tensor, "..."] | None = None,
        *,
        jacobian: bool,
    ) -> tuple[Float[Tensor, " n"], PathCosts]:
        """`log_prob`, and what regularisers of the paths need, from the same evaluations.

        Args:
            x: Points in data units.
            context: One row or n rows, as in `log_prob`.
            jacobian: Integrate the norm of the Jacobian too.
        """
        inner, rows, scale = self.prepare(x, context)
        z, log_det, costs = self.ode.forward_with_costs(inner, rows, jacobian=jacobian)
        return self.base.log_prob(z) + log_det + scale, costs

    def diagnostics(self) -> dict[str, float]:
        return self.ode.evaluations()

    def metrics(
        self,
        test: Batch | None = None,
        training: Batch | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Mapping[str, float]:
        """``ode/straightness``, and ``ode/error`` on test rows."""
        row = None if test is None or test.context is None else test.context[:1]
        numbers = {"ode/straightness": self.straightness(row, generator=generator)}
        if test is not None:
            numbers["ode/error"] = self.solver_error(test)
        return numbers

    def trajectories(
        self, z: Float[Tensor, "n *event"], times: Float[Tensor, " k"], context: Context = None
    ) -> Float[Tensor, "k n *event"]:
        """Points of the base at each time, as the solver that samples carries them.

        A solver of equal steps takes its share of them from each time to the next, but at least
        one.

        Args:
            z: Points at the first time, in the units that the model works in.
            times: Increasing, in [0, 1].
            context: Encoded context.
        """
        ways = [z]
        for start, end in pairwise(times.tolist()):
            ways.append(self.ode.between(start, end).generate(ways[-1], context))
        return torch.stack(ways)

    @full_precision
    @torch.no_grad()
    def straightness(
        self,
        context: Shaped[Tensor, "..."] | None = None,
        *,
        n: int | None = None,
        generator: torch.Generator | None = None,
    ) -> float:
        """``E int_0^1 |x(1) - x(0) - v|^2 dt / E |x(1) - x(0)|^2``: 0 for straight ways only.

        What Liu, Gong, Liu, "Flow straight and fast" (2023, section 2.2, arXiv:2209.03003) call S,
        relative to the length of the chords. As the mean of v along a way is its chord, it is the
        kinetic energy in excess of what the straight ways at constant speed would have; it is
        measured in the units that the model works in, and tells how few steps a solver needs.

        Args:
            context: One row, or n rows, as in `sample`.
            n: Number of particles; by default 2,000, and fewer where each is many numbers.
            generator: Source of randomness, on any device; a fixed seed if None.
        """
        n = n or max(50, min(2000, NUMBERS // math.prod(self.event_shape)))
        times = torch.linspace(0, 1, STRETCHES + 1, dtype=torch.float64)
        placed = context_rows(context, n, slice(n), self.device)
        rows = self.context_encoder(placed, n, self.dtype)
        z = self.base.sample(n, generator=spawn(generator or torch.Generator(), self.device))
        ways = self.trajectories(z, times, rows).double()
        energy = STRETCHES * _mean_square(ways[1:] - ways[:-1]).sum()
        chord = _mean_square(ways[-1:] - ways[:1]).sum()
        return ((energy - chord) / chord).item()

    def solver_error(self, batch: Batch, *, rows: int | None = None) -> float:
        """``max |log p - log p*|`` in nats over the first rows of a batch.

        ``log p`` is by the evaluation's solver, in the model's number type; ``log p*`` by a finer
        one (`finer`), in double precision or, where the divergence is an estimate, by the same
        probe in the same type. NaN as soon as one log-density is NaN.

        Args:
            batch: Points in data units, with their context.
            rows: So many of them at most; by default 100, and fewer where each is many numbers.
        """
        few = slice(rows or max(8, min(100, NUMBERS // 16 // math.prod(self.event_shape))))
        x, context = batch.x[few], batch.context
        context = context_rows(context, len(batch.x), few, torch.device("cpu"))
        finer = copy.deepcopy(self)
        finer.ode.evaluation = self.ode.evaluation.finer()
        if self.likelihood == "exact":
            # Not every device has double precision.
            finer = finer.cpu().double()
        found = []
        for model in (self, finer):
            with inference(model):  # from the same random state
                found.append(log_probs(model, x, context))
        return (found[0] - found[1]).abs().max().item()

    def _initialise(self, x: Float[Tensor, "n *event"], context: Context) -> None:
        """Nothing starts from data: no need to follow the ODE."""


def _mean_square(steps: Float[Tensor, "k n *event"]) -> Float[Tensor, " k"]:
    return steps.flatten(2).square().sum(2).mean(1)
