"""What stands in the way of a density of a table: constant, dependent and discrete columns,
and weights below zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike

from genlab.errors import UserError

__all__ = [
    "LOGARITHMS",
    "MOST_LEVELS",
    "are_levels",
    "check_levels",
    "dependent_columns",
    "discrete_columns",
    "effective_rows",
    "grid_width",
    "negative_weights",
    "numbers_rows",
    "refuse_coarse",
    "refuse_columns",
    "refuse_dependent",
    "refuse_negative",
    "refuse_no_angles",
    "weights_remark",
    "without_density",
]

MOST_LEVELS = 64
"""Of a category: a number for each of them stands before the model."""
LOGARITHMS = re.compile(r"(.*[\W_])?(log|ln)[\W_]?(w|wt|weights?)", re.I)
"""What a column of the logarithms of weights is called."""

# Eigenvalue of a correlation matrix below which a direction has no variance but rounding.
FLAT = 1e-10
# Share of a column's standard deviation that neighbouring numbers in float32 may lie apart.
COARSE = 0.01
# Share of the rows that weights leave, below which they leave few.
FEW = 0.1
# Fewer rows may count up by chance.
FEW_ROWS = 10
NUMBERING = re.compile(r"index|id|rows?|row[ _.]?(id|names?)|level_\d+|unnamed: \d+", re.I)


def refuse_columns(
    where: str,
    names: Sequence[str],
    values: Float[np.ndarray, "n c"],
    *,
    text: dict[str, str],
    dropped: Sequence[str | int],
    wordy: Sequence[str] = (),
    categories: Sequence[str | int] = (),
    numbering: Sequence[str] = (),
    varying: Sequence[str] = (),
) -> None:
    """Refuse columns that have no density: all of them at once, with what leaves them out.

    Args:
        where: The file, as the user named it.
        names: Names of the columns.
        values: Their numbers, NaN where a cell is empty or holds text.
        text: For each column with text, its first cell that is no number.
        dropped: What the user leaves out already.
        wordy: Columns with text that categories can hold.
        categories: Those that the user calls so already.
        numbering: Those that number the rows, which are told with the others.
        varying: Those that a density is learned of, which has to have a width.

    Raises:
        UserError: A column holds text, is empty, or is constant; or there is a single row to learn.
    """
    if varying and len(values) == 1:
        raise UserError(f"{where}: one row to learn from; expected two or more, that differ")
    faults = {name: f"holds text ({cell!r})" for name, cell in text.items()}
    for name, column in zip(names, values.T, strict=True):
        known = column[~np.isnan(column)]
        if name in text or not len(column):
            continue
        if not len(known):
            faults[name] = "is empty"
        elif name in varying and not _varies(column):
            faults[name] = f"is constant ({known[0]:g})"
    if faults:
        faults |= dict.fromkeys(numbering, "numbers the rows")
        told = "; ".join(f"column {name!r} {fault}" for name, fault in faults.items())
        named = [*categories, *wordy]
        way = f"; to learn as categories: `categories={named}`" if wordy else ""
        if set(names) <= set(faults):
            raise UserError(f"{where}: {told}; no column is left to learn{way}")
        raise UserError(f"{where}: {told}\nTo leave out: `drop={[*dropped, *faults]}`{way}")


def without_density(
    columns: Mapping[str, Float[np.ndarray, " n"]], levels: Mapping[str, Sequence[Any]]
) -> list[str]:
    """The columns to leave out so that the others have a density: those that number the rows, that
    are empty, constant or infinite, that hold too many words, or that others determine.

    >>> without_density({"a": np.arange(3.0), "b": np.ones(3), "c": np.array([5.0, 1.0, 2.0])}, {})
    ['b']

    Args:
        columns: The numbers of each, of text those of its levels, NaN where a cell is empty.
        levels: The different words of those that hold text.
    """
    numbers = [name for name in columns if name not in levels]
    dropped = numbers_rows(numbers, np.array([columns[name] for name in numbers]).T)
    dropped += [
        name
        for name, values in columns.items()
        if np.isinf(values).any()
        or not (are_levels(levels[name]) if name in levels else _varies(values))
    ]
    kept = [name for name in columns if name not in dropped]
    rows = np.array([columns[name] for name in kept]).T
    rows = rows[np.isfinite(rows).all(-1)]
    while kept and (dependent := dependent_columns(rows)):
        dropped.append(kept.pop(dependent[-1]))
        rows = np.delete(rows, dependent[-1], 1)
    return dropped


def _varies(column: Float[np.ndarray, " n"]) -> bool:
    """Whether a column holds different numbers; one that is empty does not."""
    known = column[~np.isnan(column)]
    return bool(len(known)) and known.min() < known.max()


def are_levels(found: Sequence[Any]) -> bool:
    """Whether a column of these different values may be a category."""
    return 2 <= len(found) <= MOST_LEVELS


def check_levels(where: str, levels: Mapping[str, Sequence[Any]]) -> None:
    """Refuse columns that are no categories.

    Args:
        where: The file, as the user named it.
        levels: The different values of each.

    Raises:
        UserError: One has a single value, or too many.
    """
    for name, found in levels.items():
        if len(found) < 2:
            raise UserError(f"{where}: column {name!r} of `categories` holds one value: {found}")
        if len(found) > MOST_LEVELS:
            raise UserError(
                f"{where}: column {name!r} of `categories` holds {len(found)} different values; "
                f"expected at most {MOST_LEVELS}"
            )


def refuse_no_angles(
    where: str, names: Sequence[str], values: Float[np.ndarray, "n c"], *, degrees: bool
) -> None:
    """Refuse columns that reach beyond one turn: degrees taken for radians, or no angles at all.

    Args:
        where: The file, as the user named it.
        names: Names of the columns that are said to be angles.
        values: Their numbers.
        degrees: Whether a turn is 360.

    Raises:
        UserError: There is one.
    """
    turn = 360.0 if degrees else 2 * np.pi
    for name, column in zip(names, values.T, strict=True):
        farthest = float(np.abs(column).max(initial=0))
        if farthest > turn * (1 + 1e-6):
            unit = "degrees" if degrees else "radians"
            hint = "; `degrees=True` reads degrees" if not degrees and farthest <= 360 else ""
            raise UserError(
                f"{where}: column {name!r} of `circular` reaches {farthest:g} in size; expected "
                f"angles in {unit}, at most {turn:.6g}{hint}"
            )


def effective_rows(weight: ArrayLike) -> float:
    """Kish's effective rows, ``(sum w)^2 / sum w^2``: so many of equal weight tell as much.

    >>> effective_rows([1.0, 1.0, 1.0, 0.0])
    3.0
    """
    values = np.asarray(weight, dtype=np.float64)
    values = values / np.abs(values).max()  # squares of 1e-200 are 0
    return float(values.sum() ** 2 / np.square(values).sum())


def weights_remark(name: str, weight: ArrayLike) -> str:
    """How many rows the weights of those to learn from leave, and what to do where these are few.

    >>> weights_remark("w", [1.0, 1.0, 1.0, 0.0])
    'weight=w: 4 rows to learn from tell as much as 3 of equal weight'
    """
    values = np.asarray(weight)
    rows = effective_rows(values)
    left = f"{len(values)} rows to learn from tell as much as {rows:.0f} of equal weight"
    told = [f"weight={name}: {left}"]
    if negative := int((values < 0).sum()):
        law = "likelihood has a maximum over their law, not over rows"
        told.append(f"{negative} weights are negative: {law}")
    if negative or rows < FEW * len(values):
        told.append("trust `val/nll`, and no long training")
    return "; ".join(told)


def negative_weights(weight: ArrayLike) -> str | None:
    """What is wrong with negative weights, and what helps; None where there are none.

    >>> print(negative_weights([1.0, -0.5]))
    1 of 2 weights are negative, down to -0.5: likelihood has no maximum
    make them positive by cell resampling first (Andersen, Maier 2021, arXiv:2109.07851)
    """
    values = np.asarray(weight)
    if not (values < 0).any():
        return None
    return (
        f"{(values < 0).sum()} of {len(values)} weights are negative, down to {values.min():g}: "
        "likelihood has no maximum\n"
        "make them positive by cell resampling first (Andersen, Maier 2021, arXiv:2109.07851)"
    )


def refuse_negative(weight: ArrayLike, name: str = "weight") -> None:
    """Refuse negative weights, for an objective that does not bear them.

    Args:
        weight: The weights.
        name: What the user calls them.

    Raises:
        UserError: There are some.
    """
    if message := negative_weights(weight):
        raise UserError(f"{name}: {message}, or let a flow learn by `MaximumLikelihood`")


def numbers_rows(names: Sequence[str], values: Float[np.ndarray, "n c"]) -> list[str]:
    """Columns that only number the rows: no density has them as coordinates.

    They count up from 0 or 1; those called so may also have lost rows, or been shuffled.
    """
    found = []
    for name, column in zip(names, values.T, strict=False):
        whole = len(column) >= FEW_ROWS and np.array_equal(column, np.round(column))
        counts = whole and column[0] in (0, 1) and (np.diff(column) == 1).all()
        differs = whole and NUMBERING.fullmatch(name) and len(np.unique(column)) == len(column)
        if counts or differs:
            found.append(name)
    return found


def refuse_dependent(where: str, names: Sequence[str], values: Float[np.ndarray, "n c"]) -> None:
    """Refuse columns that determine each other: their density is infinite.

    Raises:
        UserError: A linear combination of some columns is constant.
    """
    dependent = [names[place] for place in dependent_columns(values)]
    if dependent:
        raise UserError(
            f"{where}: columns {', '.join(dependent)} determine each other linearly, so that their "
            "density is infinite; put one of them into `drop`"
        )


def dependent_columns(values: Float[np.ndarray, "n c"]) -> list[int]:
    """Columns of the direction without variance in units of their own; none where all have some.

    It takes more rows than columns to tell.
    """
    n, count = values.shape
    if count < 2 or n <= count:
        return []
    centred = values - values.mean(0)
    centred /= np.sqrt(np.square(centred).mean(0))
    eigenvalues, vectors = np.linalg.eigh(centred.T @ centred / n)
    if eigenvalues[0] > FLAT:
        return []
    return [int(place) for place in np.flatnonzero(np.abs(vectors[:, 0]) > 1e-3)]


def refuse_coarse(where: str, names: Sequence[str], values: Float[np.ndarray, "n c"]) -> None:
    """Refuse to round numbers to float32 that differ in their last digits only.

    Raises:
        UserError: Neighbouring float32 numbers lie more than `COARSE` standard deviations apart.
    """
    spacing = np.spacing(np.abs(values).max(0).astype(np.float32))
    for name, step, std in zip(names, spacing, values.std(0), strict=True):
        if step > COARSE * std:
            raise UserError(
                f"{where}: column {name!r} varies by {std:.3g} where float32 has steps of "
                f"{step:.3g}; use `precision='64-true'`, or subtract a constant from it"
            )


def discrete_columns(values: Float[np.ndarray, "n c"]) -> dict[int, str]:
    """Columns whose numbers repeat, in words: a density can be made arbitrarily high at them.

    A column counts where less than half of its numbers differ, or where a hundredth of all rows,
    and more than five, share one.
    """
    found = {}
    for place, column in enumerate(values.T):
        levels, counts = np.unique(column, return_counts=True)
        top = int(counts.argmax())
        if 2 * len(levels) < len(column):
            found[place] = f"{len(levels)} values"
        elif counts[top] > max(5, len(column) / 100):
            found[place] = f"{levels[top]:g} in {counts[top]} rows"
    return found


def grid_width(column: Float[np.ndarray, " n"]) -> float | None:
    """The smallest gap w between different numbers; None where another gap is no multiple of it."""
    gaps = np.diff(np.unique(column))
    if not len(gaps):
        return None
    width = float(gaps.min())
    steps = gaps / width
    return width if np.abs(steps - steps.round()).max() < 0.05 else None
