"""flowjax's side: everything under jit, the training step as one program.

Its couplings leave the half alone that their network sees, its layers are one scanned loop.
"""

from __future__ import annotations

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

__all__ = ["build"]


def model_of(cell: Cell) -> Any:
    transformers = {
        "nice": Loc(jnp.zeros(())),
        "realnvp": None,
        "nsf": RationalQuadraticSpline(knots=BINS - 1, interval=BOUND),
    }
    return coupling_flow(
        jax.random.key(0),
        base_dist=Normal(jnp.zeros(cell.dim)),
        transformer=transformers[cell.family],
        flow_layers=cell.layers,
        nn_width=HIDDEN[0],
        nn_depth=len(HIDDEN),
    )


def build(cell: Cell, contestant: str) -> Work:
    model = model_of(cell)
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
    trained, static = eqx.partition(
        model, eqx.is_inexact_array, is_leaf=lambda leaf: isinstance(leaf, NonTrainable)
    )
    optimizer = optax.adam(1e-3)

    def loss(trained: Any, x: jax.Array) -> jax.Array:
        return -unwrap(eqx.combine(trained, static)).log_prob(x).mean()

    @eqx.filter_jit(donate="all-except-first")
    def step(x: jax.Array, trained: Any, moments: Any) -> tuple[Any, Any]:
        gradients = jax.grad(loss)(trained, x)
        updates, moments = optimizer.update(gradients, moments, trained)
        return eqx.apply_updates(trained, updates), moments

    state = [(trained, optimizer.init(trained))]

    def call() -> Any:
        state[0] = step(x, *state[0])
        return state[0]

    return waiting(call)
