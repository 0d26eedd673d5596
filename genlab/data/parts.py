"""How many of all rows, or of what is kept together, serve for what."""

from __future__ import annotations

import math
from collections.abc import Sequence

from genlab.errors import UserError, plural

__all__ = ["part_sizes"]

UNITS = {
    "row": ("row", ""),
    "entry": ("structure", "; `split_by='row'` divides them"),
    "sample": ("sample", "; `size=N` cuts a field into windows"),
}
"""What is counted, and what else to do where it is not enough."""


def part_sizes(n: int, fractions: Sequence[float], what: str = "row") -> tuple[int, int, int]:
    """Numbers to learn from, to validate and to test on.

    >>> part_sizes(113, (0.1, 0.1), "entry")
    (89, 12, 12)

    Args:
        n: How many there are.
        fractions: The shares to validate and to test on.
        what: What is counted, for the message: one of `UNITS`.

    Raises:
        UserError: Nothing is left to learn from.
    """
    n_val, n_test = (math.ceil(share * n) for share in fractions)
    n_train = n - n_val - n_test
    if n_train < 1:
        one, other = UNITS[what]
        raise UserError(
            "`val_fraction`, `test_fraction`: nothing is left to learn from, of "
            f"{n} {plural(one, n)}{other}"
        )
    return n_train, n_val, n_test
