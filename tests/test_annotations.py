"""Values against annotations: what fits, what does not, and what is said."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Optional

import pytest
from torch import Tensor, nn

from genlab.annotations import expectation, fits, in_message
from genlab.bounds import Bound, Fraction, NonNegativeInt, Positive, PositiveInt

FIT = [
    (3, int),
    (3, float),
    (0.5, float),
    (True, bool),
    ("a", str),
    ("a/b", Path),
    (None, type(None)),
    (None, int | None),
    (None, Optional[int]),  # noqa: UP045
    ("auto", int | Literal["auto"]),
    (2, int | Literal["auto"]),
    (1, PositiveInt),
    (0, NonNegativeInt),
    (1, Fraction),
    ([1, 2], list[int]),
    ([1, 2], tuple[int, int]),
    ([1, 2, 3], tuple[int, ...]),
    ([1, 2], Sequence[PositiveInt]),
    ([], Sequence[int]),
    ([[1], []], list[list[int]]),
    ([1, "a"], list),
    ({"a": 1}, dict[str, int]),
    ({"a": 1}, Mapping[str, PositiveInt]),
    (0.1, float | Tensor),
    ([0.9, 0.999], tuple[float | Tensor, float | Tensor]),
]

MISFIT = [
    (True, int, "an integer"),
    (True, float, "a number"),
    (1, bool, "true or false"),
    (3, str, "text"),
    ("a", int, "an integer"),
    (3.5, int, "an integer"),
    (10000.0, PositiveInt, "an integer, at least 1; did you mean 10000?"),
    (-1, PositiveInt, "an integer, at least 1"),
    (0, Positive, "a number, greater than 0"),
    (float("nan"), Positive, "a number, greater than 0"),
    (1.5, Fraction, "a number, at least 0 and at most 1"),
    (0, PositiveInt | None, "an integer, at least 1, or null"),
    ("none", int | None, "an integer or null"),
    ("ful", Literal["full", "tied"], "full or tied; did you mean 'full'?"),
    (1, Literal[True, "yes"], "true or yes"),
    ("atuo", int | Literal["auto"], "an integer or auto; did you mean 'auto'?"),
    (64, Sequence[int], "a list of integers; did you mean [64]?"),
    ("64", list[int], "a list of integers"),
    ([64, -1], Sequence[PositiveInt], "a list of integers, each at least 1"),
    ([64, "a"], tuple[int, ...], "a list of integers"),
    ([0.9], tuple[float, float], "a list of 2: a number, a number"),
    ({"a": -1}, Mapping[str, PositiveInt], "keys with values"),
    ("fast", float | Tensor, "a number"),
    ([0.9, "x"], tuple[float | Tensor, float | Tensor], "a list of 2: a number, a number"),
    (None, float, "a number"),
    (2, Annotated[float, Bound(0, 1, open_high=True)], "a number, at least 0 and less than 1"),
]

UNKNOWN = [
    (3, Any),
    ("relu", Callable[[Tensor], Tensor]),
    ("x", nn.Module),
    (3, Tensor | None),
    ({"_target_": "a.B"}, int),
    ([{"_target_": "a.B"}], list[int]),
]


@pytest.mark.parametrize(("value", "annotation"), FIT)
def test_fits(value: object, annotation: Any) -> None:
    assert fits(value, annotation) is True


@pytest.mark.parametrize(("value", "annotation", "expected"), MISFIT)
def test_misfit_says_what_was_expected(value: object, annotation: Any, expected: str) -> None:
    assert fits(value, annotation) is False
    assert expectation(value, annotation) == expected


@pytest.mark.parametrize(("value", "annotation"), UNKNOWN)
def test_unknown_annotations_say_nothing(value: object, annotation: Any) -> None:
    assert fits(value, annotation) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "null"),
        (True, "true"),
        ("moons", "moons"),
        ("3", "'3'"),
        ([1, "a", None], "[1, a, null]"),
        ({"a": {"b": False}}, "{a: {b: false}}"),
    ],
)
def test_values_are_spelt_as_on_the_command_line(value: object, text: str) -> None:
    assert in_message(value) == text
