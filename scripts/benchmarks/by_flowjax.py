"""flowjax's side: everything under jit, the training step as one program.

Its couplings leave the half alone that their network sees, its layers are one scanned loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
from flowjax.bijections import Loc, RationalQuadraticSpline
from flowjax.distributions import Normal
from flowjax.flows import coupling_flow
from paramax import NonTrainable, unwrap

from benchmarks.cells import Cell
from benchmarks.jitted import waiting
from benchmarks.ours import BINS, BOUND, HIDDEN
from benchmarks.work import Work

__all__ = ["Learner", "build", "coupling"]

State = tuple[Any, Any]


def coupling(
    family: str,
    dim: int,
    *,
    layers: int,
    hidden: Sequence[int] = HIDDEN,
    bins: int = BINS,
    bound: float = BOUND,
    seed: int = 0,
) -> Any:
    """A coupling flow in the shape of one of genlab's.

    Args:
        family: ``nice``, ``realnvp`` or ``nsf``.
        dim: Numbers of a sample.
        layers: Couplings.
        hidden: Widths of their networks, all alike.
        bins: Of each spline.
        bound: Splines act on ``[-bound, bound]``.
        seed: Of the weights.
    """
    transformers = {
        "nice": Loc(jnp.zeros(())),
        "realnvp": None,
        "nsf": RationalQuadraticSpline(knots=bins - 1, interval=bound),
    }
    return coupling_flow(
        jax.random.key(seed),
        base_dist=Normal(jnp.zeros(dim)),
        transformer=transformers[family],
        flow_layers=layers,
        nn_width=hidden[0],
        nn_depth=len(hidden),
    )


def build(cell: Cell, contestant: str) -> Work:
    assert cell.layers is not None
    model = coupling(cell.family, cell.dim, layers=cell.layers)
    x = jax.random.normal(jax.random.key(1), (cell.batch, cell.dim))
    if cell.subject == "step":
        return _step(model, x)
    if cell.subject == "sample":
        call = eqx.filter_jit(lambda model, key: model.sample(key, (cell.batch,)))
        return waiting(lambda: call(model, jax.random.key(2)))
    density = eqx.filter_jit(lambda model, x: model.log_prob(x))
    return waiting(lambda: density(model, x))


def _step(model: Any, x: jax.Array) -> Work:
    """A step of Adam, which takes the memory of the weights for the new ones, as the peers do."""
    learner = Learner(model, optax.adam(1e-3))

    @eqx.filter_jit(donate="all-except-first")
    def step(x: jax.Array, state: State) -> State:
        return learner.step(state, x)

    state = [learner.start]

    def call() -> State:
        state[0] = step(x, state[0])
        return state[0]

    return waiting(call)


class Learner:
    """Maximum likelihood, a step at a time.

    Args:
        model: The flow.
        optimizer: Its rule.

    Attributes:
        start: What is trained, and the optimiser's state, before the first step.
    """

    def __init__(self, model: Any, optimizer: optax.GradientTransformation) -> None:
        trained, self.static = eqx.partition(
            model, eqx.is_inexact_array, is_leaf=lambda leaf: isinstance(leaf, NonTrainable)
        )
        self.optimizer = optimizer
        self.start: State = (trained, optimizer.init(trained))

    def step(self, state: State, x: jax.Array) -> State:
        """The state after a step on a batch."""
        trained, moments = state
        gradients = jax.grad(self.loss)(trained, x)
        updates, moments = self.optimizer.update(gradients, moments, trained)
        return eqx.apply_updates(trained, updates), moments

    def loss(self, trained: Any, x: jax.Array) -> jax.Array:
        """Mean of ``-log p`` over a batch."""
        return -self.model(trained).log_prob(x).mean()

    def model(self, trained: Any) -> Any:
        """The flow with some weights."""
        return unwrap(eqx.combine(trained, self.static))
