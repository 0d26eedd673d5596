"""A model of one's own and an array of data, without a run: fit the one to the other, and score."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar, get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor

from genlab.batch import Batch
from genlab.bijections import Compose, Standardise
from genlab.bounds import NonNegativeInt, Positive, PositiveInt
from genlab.data.column_points import log_masses, onto_lines, redrawn
from genlab.data.column_points import points as points_of
from genlab.data.column_transforms import ColumnTransforms
from genlab.data.table_checks import refuse_negative
from genlab.densities import Density
from genlab.densities.inference import inference, log_probs, private_randomness
from genlab.descent import cosine_descent
from genlab.errors import RunError, UserError
from genlab.objectives import Objective, own_objective, take_passes
from genlab.randomness import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fit", "score"]

M = TypeVar("M", bound=Density)

CLIP = 5.0
"""Largest norm of a step's gradient."""


def fit(
    model: M,
    x: ArrayLike | Tensor,
    context: ArrayLike | Tensor | None = None,
    *,
    weight: ArrayLike | Tensor | None = None,
    columns: ColumnTransforms | None = None,
    objective: Objective[Any] | None = None,
    steps: PositiveInt = 2000,
    batch_size: PositiveInt = 256,
    lr: Positive = 5e-3,
    standardise: bool = True,
    seed: NonNegativeInt = 0,
    progress: bool = False,
) -> M:
    """Train a model on an array, and return it, in evaluation mode.

    Steps of Adam at a rate that falls to 0 along a cosine; each sees rows drawn at random. A
    mixture takes passes over all rows instead, until EM has converged. The same call gives the same
    weights, and leaves torch's global random numbers as they were.

    >>> import genlab, torch
    >>> x = torch.randn(500, 2).numpy()
    >>> model = genlab.fit(genlab.models.RealNVP(2), x, steps=10)
    >>> genlab.score(model, x).shape
    (500,)

    Args:
        model: A density, such as ``genlab.models.NSF(2)``.
        x: Data, ``[n, *event]`` (``[n]`` for single numbers): an array, a DataFrame or a tensor.
        context: What each row is conditioned on: vectors ``[n, c]`` or integer labels ``[n]``.
        weight: How much each row counts, ``[n]``; some less than nothing, where the objective is a
            likelihood.
        columns: What the columns of x can hold (`genlab.columns`): x has the columns of a table,
            the model ``columns.dim`` coordinates.
        objective: What it learns by; None for its family's own: EM for a mixture, the ELBO for a
            VAE, regression on velocities for flow matching, and maximum likelihood for the others,
            of a CNF with a small price on its paths.
        steps: Number of steps; of EM, at most so many passes.
        batch_size: Rows of a step.
        lr: Learning rate at the start.
        standardise: Let the model work in units of zero mean and unit variance, unless it has a
            preprocessing of its own. The Jacobian is counted: densities and samples stay in the
            units of ``x``.
        seed: Of all that is random.
        progress: Print the loss ten times on the way.

    Raises:
        UserError: The rows do not fit the model, are none or no numbers, or the objective needs
            something else than rows.
        RunError: The loss was lost on the way.
    """
    _refuse_other("model", model, Density, "genlab.models.RealNVP(2)")
    objective = own_objective(model) if objective is None else objective
    _refuse_other("objective", objective, Objective, "genlab.objectives.MaximumLikelihood()")
    _refuse_out_of_bounds(steps=steps, batch_size=batch_size)
    objective.adopt(model)
    if objective.learns_from == "energy":
        raise UserError(f"objective: {type(objective).__name__} learns from an energy, not rows")
    points = _data(model, x) if columns is None else _points(model, x, columns, seed)
    weights = _weights(weight, signed=objective.signed)
    rows = Batch(points, _conditions(context), weights).cast(model.device, model.dtype)
    with private_randomness(model.device, seed), torch.enable_grad():
        if model.preprocessing is None and not model.masses:
            ways = [] if columns is None else [onto_lines(columns)]
            if standardise:
                ways.append(Standardise(model.event_shape, untouched=model.circular))
            if found := [way for way in ways if way is not None]:
                way = found[0] if len(found) == 1 else Compose(found)
                model.preprocessing = way.to(model.device, model.dtype)
        model.initialise(rows.x, rows.context)
        model.train()
        if objective.learns_from == "passes":
            passes = objective.passes(model)
            passes.start(rows)
            loss = take_passes(passes, rows, steps)
        else:
            noisy = () if columns is None else columns.noisy
            loss = _descend(model, objective, rows, steps, batch_size, lr, progress, noisy)
    model.eval()
    if not loss.isfinite():
        raise RunError(f"fit: the loss became {loss.item():g}\ntry a smaller lr than {lr:g}")
    return model


def score(
    model: Density,
    x: ArrayLike | Tensor,
    context: ArrayLike | Tensor | None = None,
    *,
    columns: ColumnTransforms | None = None,
) -> NDArray[np.float64]:
    """The log-density of each row, in nats: arrays in, an array ``[n]`` out.

    It is computed as an evaluation does: in batches that any memory holds, without gradients, in
    evaluation mode; where it is an estimate, with the same random numbers each time.

    >>> import genlab, numpy
    >>> genlab.score(genlab.densities.StandardNormal((2,)), numpy.zeros((3, 2))).round(3)
    array([-1.838, -1.838, -1.838])

    Args:
        model: A density.
        x: Points in data units, ``[n, *event]``: an array, a DataFrame or a tensor.
        context: One row or n rows, as in `Density.log_prob`.
        columns: What the columns of x can hold, as in `fit`: log-densities are those of its rows,
            masses in what is discrete, of which they are a lower bound by a few points of each row.
    """
    _refuse_other("model", model, Density, "genlab.models.RealNVP(2)")
    with inference(model):
        if columns is None:
            log_p = log_probs(model, _data(model, x), _conditions(context))
        else:
            log_p = log_masses(model, columns, columns.read(x), _conditions(context))
    return log_p.numpy()


def _descend(
    model: Density,
    objective: Objective[Any],
    rows: Batch,
    steps: int,
    batch_size: int,
    lr: float,
    progress: bool,
    noisy: tuple[int, ...],
) -> Float[Tensor, ""]:
    objective.start(model, rows)
    shown = max(1, steps // 10)

    def loss(step: int) -> Float[Tensor, ""]:
        some = torch.randint(len(rows.x), (batch_size,)).to(rows.x.device)
        batch = rows.rows(some)
        if noisy:
            noise = torch.rand(batch_size, len(noisy)).to(batch.x.device)
            batch = batch._replace(x=redrawn(batch.x, noisy, noise))
        value: Tensor = objective.loss(model, batch)
        if progress and step % shown == 0:
            print(f"step {step} of {steps}: loss {value.item():.4g}")
        return value

    def advance(step: int) -> None:
        objective.advance(model, step=step, max_steps=steps, draw=step)

    return cosine_descent(loss, model.parameters(), steps=steps, lr=lr, limit=CLIP, before=advance)


def _data(model: Density, x: ArrayLike | Tensor) -> Float[Tensor, "n *event"]:
    """Rows of the model's shape; single numbers need no second dimension."""
    rows = _numbers("x", x)
    rows = rows if rows.is_floating_point() else rows.double()
    rows = rows[:, None] if rows.ndim == 1 and model.event_shape == (1,) else rows
    if rows.shape[1:] != model.event_shape:
        event = ", ".join(map(str, model.event_shape))
        raise UserError(f"x: expected shape [n, {event}], got {list(rows.shape)}")
    return rows


def _points(
    model: Density, x: ArrayLike | Tensor, columns: ColumnTransforms, seed: int
) -> Float[Tensor, "n dim"]:
    """The points that the rows of a table are, with noise of a seed."""
    _refuse_other("columns", columns, ColumnTransforms, "genlab.columns(x, log=[...])")
    if model.event_shape != (columns.dim,) or set(model.circular) != set(columns.angles):
        raise UserError(
            f"columns: expected a model of {columns.dim} coordinates (`columns.dim`) with "
            f"circular={list(columns.angles)} (`columns.angles`); got {list(model.event_shape)} "
            f"with circular={list(model.circular)}"
        )
    if model.preprocessing is not None and onto_lines(columns) is not None:
        raise UserError(f"columns: this {type(model).__name__} lives in a box of its own")
    values = columns.read(x)
    source = generator(seed, "noise")
    noise = torch.rand(len(values), len(columns.noisy), generator=source, dtype=torch.float64)
    return points_of(columns, values, noise, model.dtype)


def _conditions(context: ArrayLike | Tensor | None) -> Tensor | None:
    """Integers are labels."""
    if context is None:
        return None
    rows = _numbers("context", context)
    return rows if rows.is_floating_point() else rows.long()


def _weights(weight: ArrayLike | Tensor | None, *, signed: bool) -> Tensor | None:
    if weight is None:
        return None
    values = _numbers("weight", weight)
    if not signed:
        refuse_negative(values.cpu())
    return values


def _numbers(name: str, values: ArrayLike | Tensor) -> Tensor:
    """Whole numbers, or others in double precision."""
    if isinstance(values, Tensor):
        return values
    array = np.array(values)
    if array.dtype.kind not in "biu":
        try:
            array = array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise UserError(f"{name}: expected numbers; {error}") from error
    return torch.from_numpy(array)


def _refuse_other(name: str, value: object, kind: type, example: str) -> None:
    if not isinstance(value, kind):
        given = value.__name__ if isinstance(value, type) else type(value).__name__
        raise UserError(f"{name}: expected {kind.__name__}, such as {example}, got {given}")


def _refuse_out_of_bounds(**counts: int) -> None:
    _, bound = get_args(PositiveInt)
    for name, count in counts.items():
        if not isinstance(count, int) or not bound.holds(count):
            raise UserError(f"{name}={count}: expected an integer, {bound}")
