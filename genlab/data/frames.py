"""Rows of a frame of pandas by the names of its columns, for runs and for fitted models alike."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from genlab.data.columns import columns_of, level_text
from genlab.densities.event import Names
from genlab.errors import UserError, nearest
from genlab.nn.context import ContextEncoder

__all__ = [
    "Typed",
    "as_frame",
    "context_rows",
    "event_rows",
    "is_frame",
    "label_number",
    "names_of",
]

Typed = Callable[[np.ndarray], dict[str, np.ndarray] | None]


def is_frame(value: object) -> bool:
    """Whether it is a DataFrame: who gives one has imported pandas."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.DataFrame)


def is_column(value: object) -> bool:
    """Whether it is a Series."""
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(value, pandas.Series)


def names_of(x: Any, context: Any, encoder: ContextEncoder) -> Names:
    """What the columns are called that a model is fitted to.

    Columns that pandas has numbered by itself have no names. Classes are called by their words, in
    the order of these.

    Args:
        x: The data; a frame has names, and a Series may.
        context: What they are conditioned on.
        encoder: What reads it.

    Raises:
        UserError: There are more words than the model has classes.
    """
    columns, of_context = (
        _words(given.columns) if is_frame(given) else ()
        for given in (one.to_frame() if is_column(one) else one for one in (x, context))
    )
    if not encoder.labels:
        return Names(columns or None, of_context)
    classes = tuple(sorted(set(_text(context))))
    if len(classes) > encoder.labels:
        raise UserError(
            f"context: {len(classes)} classes, from {classes[0]!r} to {classes[-1]!r}, but the "
            f"model has labels={encoder.labels}"
        )
    return Names(columns or None, (), of_context[0] if len(of_context) == 1 else None, classes)


def event_rows(
    frame: Any, names: Names, event_shape: Sequence[int]
) -> Float[np.ndarray, "n *event"]:
    """The samples in a frame, flat in its rows, whatever other columns it has in whatever order.

    Coordinates without names are called ``x1, x2, ...``; a frame that has no such columns holds
    just these coordinates, in order.

    Args:
        frame: The frame.
        names: What the coordinates are called.
        event_shape: Shape of one sample.

    Raises:
        UserError: A column is missing, or holds what is no finite number.
    """
    size = math.prod(event_shape)
    wanted = names.columns or _numbered("x", size)
    return _numbers(frame, wanted, "x", ordered=names.columns is None).reshape(-1, *event_shape)


def context_rows(
    context: Any, frame: Any, names: Names, encoder: ContextEncoder
) -> Shaped[Tensor, "..."] | None:
    """What rows are conditioned on: vectors in double precision, or labels.

    Args:
        context: A frame or a mapping with the columns of the context, classes by their words or
            numbers, or an array as in `genlab.densities.Density.log_prob`; None to take it from
            the frame of the samples.
        frame: The samples; a frame may have the columns of the context too.
        names: What they are called.
        encoder: What reads the context.

    Raises:
        UserError: The context is missing or no number, or there is no such column or class.
    """
    if isinstance(context, Tensor) or (context is None and not encoder.dim):
        return context
    if encoder.labels:
        return _labels(context, frame, names, encoder.labels)
    if context is None:
        if not (is_frame(frame) and names.context):
            told = ", ".join(names.context) or f"vectors of length {encoder.context_dim}"
            raise UserError(f"context: missing; expected {told}")
        context = frame
    if isinstance(context, Mapping):
        context = _as_table(context)
    elif is_column(context):
        context = context.to_frame()
    if is_frame(context):
        wanted = names.context or _numbered("c", encoder.context_dim)
        ordered = not names.context
        return torch.from_numpy(_numbers(context, wanted, "context", ordered=ordered))
    array = np.array(context)
    try:
        rows = array.astype(np.float64)
    except (TypeError, ValueError) as error:
        raise UserError(f"context: expected numbers; {error}") from error
    return torch.from_numpy(rows)


def label_number(word: object, classes: Sequence[Any], labels: int, *, where: str) -> int:
    """The number of a class that is given by its name, or by its number where names are words.

    >>> label_number("GLY", ["ALA", "GLY"], 2, where="context")
    1
    >>> label_number("True", [False, True], 2, where="context")
    1

    Raises:
        UserError: There is no such class.
    """
    text, names = str(word), [*map(str, classes)]
    for number, one in enumerate(classes):
        if text in (str(one), level_text(one)):
            return number
    if text.isdecimal() and int(text) < labels and all(isinstance(one, str) for one in classes):
        return int(text)
    wanted = f"one of {', '.join(names)}" if names else f"a label from 0 to {labels - 1}"
    if word is None:
        raise UserError(f"{where}: missing; expected {wanted}")
    hint = nearest(text, names) if names else f"expected {wanted}"
    raise UserError(f"{where}: got {text!r}; {hint}")


def as_frame(
    rows: Float[Tensor, "n c"],
    names: Names,
    *,
    labelled: bool = False,
    typed: Typed = lambda rows: None,
) -> Any:
    """Flat samples, before the vector or class of each that they were drawn under, as a frame.

    Args:
        rows: The numbers, of classes theirs.
        names: What they are called.
        labelled: Whether the last one is of a class.
        typed: The columns in types of their own; None where all are numbers of one type.
    """
    import pandas as pd

    values = rows.cpu().numpy()
    if (found := typed(values)) is not None:
        return pd.DataFrame(found)
    own = names.columns or ()
    given = (names.label or "label",) if labelled else names.context
    columns = [*own, *(given or _numbered("c", values.shape[1] - len(own)))]
    frame = pd.DataFrame(values, columns=columns)
    if labelled:
        numbers = values[:, -1].astype(np.int64)
        frame[columns[-1]] = [names.classes[k] for k in numbers] if names.classes else numbers
    return frame


def _labels(context: Any, frame: Any, names: Names, labels: int) -> Shaped[Tensor, " n"]:
    given, column = context, names.label
    if given is None:
        if not (is_frame(frame) and column):
            raise UserError(f"context: missing; expected {_classes(names, labels)}")
        given = frame
    if isinstance(given, Mapping):
        given = _as_table(given)
    if is_frame(given):
        own = [*map(str, given.columns)]
        if column is None and len(own) == 1:
            column = own[0]
        if column not in own:
            hint = nearest(column, own) if column else f"expected one, got {len(own)}"
            raise UserError(f"context: no column {column or 'of classes'!r}; {hint}")
        given = given.iloc[:, own.index(column)]
    array = np.array(given).reshape(-1)
    if array.dtype.kind == "b" or (array.dtype.kind == "f" and (array == np.round(array)).all()):
        array = array.astype(np.int64)
    words, place = np.unique(array.astype(str), return_inverse=True)
    numbers = [label_number(word, names.classes, labels, where="context") for word in words]
    return torch.tensor(numbers, dtype=torch.long)[torch.from_numpy(place.reshape(-1))]


def _classes(names: Names, labels: int) -> str:
    column = f"a column {names.label!r} of " if names.label else ""
    told = ", ".join(map(str, names.classes)) or f"labels from 0 to {labels - 1}"
    return f"{column}{told}"


def _numbers(
    frame: Any, wanted: Sequence[str], where: str, *, ordered: bool
) -> Float[np.ndarray, "n c"]:
    """Columns by name; where none has been named, they may be all of a frame, in order."""
    own = [*map(str, frame.columns)]
    if twins := sorted({name for name in wanted if own.count(name) > 1}):
        raise UserError(f"{where}: several columns are called {twins[0]!r}; give each its own name")
    missing = [name for name in wanted if name not in own]
    if missing and ordered:
        if len(own) != len(wanted):
            raise UserError(f"{where}: expected {len(wanted)} columns, got {len(own)}")
        wanted, missing = own, []
    if missing:
        raise UserError(f"{where}: no column {missing[0]!r}; {nearest(missing[0], own)}")
    if not len(frame):
        return np.empty((0, len(wanted)))
    places = [own.index(name) for name in wanted]
    return columns_of(frame.iloc[:, places], wanted).finite(where)


def _as_table(given: Mapping[str, Any]) -> Any:
    """A frame of values, each for all rows or one a row."""
    import pandas as pd

    columns = np.broadcast_arrays(*(np.atleast_1d(np.asarray(value)) for value in given.values()))
    return pd.DataFrame(dict(zip(given, columns, strict=True)))


def _numbered(letter: str, size: int) -> tuple[str, ...]:
    """``x1, x2, ...``"""
    return tuple(f"{letter}{number + 1}" for number in range(size))


def _words(columns: Any) -> tuple[str, ...]:
    """The names of columns, or none where one is no word."""
    return tuple(columns) if all(isinstance(name, str) for name in columns) else ()


def _text(context: Any) -> list[str]:
    """Classes that are words; none where they are numbers.

    Raises:
        UserError: A row has none.
    """
    if context is None or isinstance(context, Tensor):
        return []
    found = np.array(context).reshape(-1)
    if found.dtype.kind in "biuf":
        return []
    import pandas as pd

    if (empty := pd.isna(found)).any():
        raise UserError(f"context: row {int(empty.argmax()) + 1} has no class")
    return [*map(str, found)]
