"""A model of one's own and an array of data, without a run: fit one to the other, score, sample."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import ArrayLike
from torch import Tensor

from genlab.batch import Batch
from genlab.bijections import Bijection, Compose, Standardise
from genlab.bounds import NonNegativeInt, Positive, PositiveInt
from genlab.data.column_points import log_masses, onto_lines, redrawn, refuse_no_room
from genlab.data.column_points import points as points_of
from genlab.data.column_transforms import ColumnTransforms
from genlab.data.frames import Typed, as_frame, context_rows, event_rows, is_frame, names_of
from genlab.data.table_checks import refuse_negative
from genlab.densities import Density
from genlab.densities.event import Names
from genlab.densities.inference import draw_samples, inference, log_probs, private_randomness, spawn
from genlab.descent import cosine_descent
from genlab.errors import RunError, UserError
from genlab.objectives import Objective, own_objective, take_passes
from genlab.randomness import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["event_points", "fit", "sample", "sample_named", "score"]

M = TypeVar("M", bound=Density)

Units = Callable[[Tensor], Tensor]

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
    weights, and leaves torch's global random numbers as they were. Of a DataFrame the model
    remembers what the columns are called, and `score` and `sample` go by these names.

    >>> import genlab, torch
    >>> x = torch.randn(500, 2).numpy()
    >>> model = genlab.fit(genlab.models.RealNVP(2), x, steps=10)
    >>> genlab.score(model, x).shape
    (500,)

    Args:
        model: A density, such as ``genlab.models.NSF(2)``.
        x: Data, ``[n, *event]`` (``[n]`` for single numbers): an array, a DataFrame or a tensor.
        context: What each row is conditioned on: vectors ``[n, c]``, or classes ``[n]``, integers
            or words.
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
            units of ``x``. Vectors of a context are standardised too, whatever their units.
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
    names = names_of(x if columns is None else None, context, model.context_encoder)
    known = context_rows(context, None, names, model.context_encoder)
    points = _data(model, x) if columns is None else _points(model, x, columns, seed)
    weights = _weights(weight, signed=objective.signed)
    _refuse_misfit(points, known, weights)
    if weights is not None:
        # In all their digits: in single precision those below 1e-45 would be 0.
        weights = weights / weights.nanmean()
    rows = Batch(points, known, weights).cast(model.device, model.dtype)
    rows.refuse_unusable()
    with private_randomness(model.device, seed), torch.enable_grad():
        if model.preprocessing is None and not model.masses:
            ways = [] if columns is None else [onto_lines(columns)]
            if standardise:
                ways.append(Standardise(model.event_shape, untouched=model.circular))
            if found := [way for way in ways if way is not None]:
                way = found[0] if len(found) == 1 else Compose(found)
                model.preprocessing = way.to(model.device, model.dtype)
        if standardise:
            model.context_encoder.standardise = True
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
    model.names = names
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
        x: Points in data units, ``[n, *event]``: an array, a tensor, or a DataFrame, whose columns
            are taken by name where the model was fitted to one.
        context: One row or n rows: an array as in `Density.log_prob`, a DataFrame, or classes by
            their words; None where the model has none, or where the DataFrame x has its columns.
        columns: What the columns of x can hold, as in `fit`: log-densities are those of its rows,
            masses in what is discrete, of which they are a lower bound by a few points of each row.

    Raises:
        UserError: A column is missing, or there is no such class.
    """
    _refuse_other("model", model, Density, "genlab.models.RealNVP(2)")
    given = context_rows(context, x, model.names, model.context_encoder)
    if columns is None:
        rows = event_points(model, x, model.names)
        with inference(model):
            return log_probs(model, rows, given).numpy()
    with inference(model):
        return log_masses(model, columns, columns.read(x), given).numpy()


def sample(
    model: Density,
    n: PositiveInt,
    context: ArrayLike | Tensor | None = None,
    *,
    seed: NonNegativeInt | None = None,
) -> Any:
    """Draw samples in data units: an array ``[n, *event]``, or a DataFrame as the model knows.

    They are drawn as an evaluation does, in batches that any memory holds.

    >>> import genlab
    >>> genlab.sample(genlab.densities.StandardNormal((2,)), 3, seed=1).shape
    (3, 2)

    Args:
        model: A density.
        n: Number of samples, of each row of the context where it has several.
        context: One row or several: an array as in `Density.sample`, a DataFrame, a mapping of its
            columns to values, or classes by their words.
        seed: For the same samples again; torch's global random numbers if None.

    Returns:
        A DataFrame has the columns of the context behind those of the samples.

    Raises:
        UserError: A column of the context is missing, or there is no such class.
    """
    _refuse_other("model", model, Density, "genlab.models.RealNVP(2)")
    return sample_named(model, n, context, model.names, seed=seed)


def event_points(model: Density, x: ArrayLike | Tensor, names: Names) -> Float[Tensor, "n *event"]:
    """Rows of the model's shape: those of an array, or the columns of a frame by their names.

    Args:
        model: A density.
        x: The points, as in `score`.
        names: What the columns of a frame are called.

    Raises:
        UserError: A column is missing, or an array has another shape.
    """
    return _data(model, event_rows(x, names, model.event_shape) if is_frame(x) else x)


def sample_named(
    model: Density,
    n: PositiveInt,
    context: ArrayLike | Tensor | None,
    names: Names,
    *,
    seed: NonNegativeInt | None,
    units: Units = lambda rows: rows,
    typed: Typed = lambda rows: None,
) -> Any:
    """`sample`, where the columns of frames have other names or units than those of a model.

    Args:
        model: A density.
        n: As in `sample`.
        context: As in `sample`.
        names: What the columns are called.
        seed: As in `sample`.
        units: From flat samples, before the vector of each, to the units of the frame.
        typed: From rows in these units to columns of their own types, where they have some.
    """
    _refuse_out_of_bounds(n=n)
    given = context_rows(context, None, names, model.context_encoder)
    labelled = bool(model.context_encoder.labels)
    if given is not None:
        given = given.reshape(-1) if labelled else torch.atleast_2d(given)
        if len(given) > 1:
            given = given.repeat_interleave(n, 0)
            n = len(given)
    source = spawn(torch.default_generator) if seed is None else torch.Generator().manual_seed(seed)
    with inference(model, source):
        x = draw_samples(model, n, given, generator=source).cpu()
    if names.columns is None:
        return x.numpy()
    rows = x.flatten(1)
    if given is not None:
        rows = torch.cat((rows, given.to(x).reshape(len(given), -1).expand(n, -1)), 1)
    return as_frame(units(rows), names, labelled=labelled, typed=typed)


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
        value: Tensor = objective.step_loss(model, batch)
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
    own, way = model.preprocessing, onto_lines(columns)
    if own is not None and way is not None and not _begins_with(own, way):
        raise UserError(
            f"columns: this {type(model).__name__} lives in a box of its own, or has been fitted "
            "to other columns; make a new one"
        )
    values = columns.read(x)
    refuse_no_room("x", columns, values, model.dtype, "`model.double()`")
    source = generator(seed, "noise")
    noise = torch.rand(len(values), len(columns.noisy), generator=source, dtype=torch.float64)
    return points_of(columns, values, noise, model.dtype)


def _begins_with(own: Bijection, way: Bijection) -> bool:
    """Whether a preprocessing has a certain way in front, as that of an earlier fit has."""
    first = next(iter(own)) if isinstance(own, Compose) else own
    return repr(way) in (repr(own), repr(first))


def _weights(weight: ArrayLike | Tensor | None, *, signed: bool) -> Tensor | None:
    if weight is None:
        return None
    values = _numbers("weight", weight)
    if not signed:
        refuse_negative(values.cpu())
    return values.cpu().double()


def _refuse_misfit(x: Tensor, context: Tensor | None, weight: Tensor | None) -> None:
    """Refuse a context or weights that are not one for each row: broadcast, they would go wrong."""
    n = len(x)
    if context is not None and context.shape[:1] != (n,):
        raise UserError(f"context: expected {n} rows, as many as x, got {list(context.shape)}")
    if weight is not None and weight.shape != (n,):
        raise UserError(f"weight: expected shape [{n}], a number a row, got {list(weight.shape)}")
    if weight is not None and weight.sum() <= 0:
        raise UserError(f"weight: expected a sum above 0, got {weight.sum().item():g}")


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
