"""Time steps by number or as START:STOP:STEP, and rows as runs of consecutive ones."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int

from genlab.errors import UserError, plural

__all__ = ["chosen_steps", "runs"]


def chosen_steps(
    steps: Sequence[int] | int | str | None, length: int, lag: int, where: str
) -> list[int]:
    """The numbers of some time steps; negative ones count from the end.

    >>> chosen_steps("1:8:3", 10, 0, "a file"), chosen_steps([0, -1], 10, 0, "a file")
    ([1, 4, 7], [0, 9])
    >>> chosen_steps(None, 4, 1, "a file")
    [1, 2, 3]

    Args:
        steps: One, several, or a text; None for all that have an earlier one.
        length: How many there are.
        lag: How many steps earlier each has to have one.
        where: The file in words.

    Raises:
        UserError: There is no such step, or none as much earlier.
    """
    if lag >= length:
        raise UserError(f"lag={lag}: {where} has {length} {plural('time step', length)}")
    if steps is None:
        return list(range(lag, length))
    if isinstance(steps, str):
        chosen = _range(steps, length)
        chosen = [step for step in chosen if step >= lag]
        if not chosen:
            raise UserError(f"steps={steps}: holds none of the {length} time steps of {where}")
        return chosen
    chosen = []
    for step in [steps] if isinstance(steps, int) else steps:
        if not -length <= step < length:
            raise UserError(f"steps={steps}: no step {step}; {where} has 0 to {length - 1}")
        chosen.append(step % length)
        if chosen[-1] < lag:
            raise UserError(f"steps={steps}: step {step} has none {lag} earlier (`lag={lag}`)")
    if len(set(chosen)) < len(chosen) or not chosen:
        raise UserError(f"steps={steps}: expected each step once, and at least one")
    return chosen


def _range(text: str, length: int) -> list[int]:
    parts = text.strip().split(":")
    try:
        bounds = [int(part) if part.strip() else None for part in parts]
        if len(bounds) not in (2, 3):
            raise ValueError
        return list(range(length)[slice(*bounds)])
    except ValueError:
        raise UserError(
            f"steps={text}: expected numbers, as [0,5,-1], or START:STOP or START:STOP:STEP"
        ) from None


def runs(numbers: Int[np.ndarray, " n"]) -> Iterator[tuple[int, int]]:
    """First number and end of each run of consecutive ones, in order.

    >>> list(runs(np.array([4, 5, 6, 2, 9])))
    [(4, 7), (2, 3), (9, 10)]
    """
    ends = np.flatnonzero(np.diff(numbers) != 1) + 1
    for start, stop in zip([0, *ends], [*ends, len(numbers)], strict=True):
        if stop > start:
            yield int(numbers[start]), int(numbers[stop - 1]) + 1
