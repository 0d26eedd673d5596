"""Constructors against their annotations: what is refused, and what is none of a mistake."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch

import genlab
from genlab.bounds import Positive, PositiveInt
from genlab.constructor import Checked
from genlab.errors import ArgumentError


class Plain(Checked):
    def __init__(self, n: PositiveInt, *, widths: Sequence[PositiveInt] = (), x: Positive = 1.0):
        self.n, self.widths, self.x = n, widths, x


class Derived(Plain):
    """Inherits its constructor."""


@dataclass(kw_only=True)
class Record(Checked):
    n: PositiveInt
    file: str | None = None


@pytest.mark.parametrize("kind", [Plain, Derived])
def test_arguments_by_place_and_by_name(kind: type[Plain]) -> None:
    with pytest.raises(ArgumentError, match="n=0: expected an integer, at least 1"):
        kind(0)
    with pytest.raises(ValueError, match=r"x=0\.0: expected a number, greater than 0"):
        kind(1, x=0.0)
    with pytest.raises(ArgumentError, match=r"widths=\[1, 0\]: expected a list of integers, each"):
        kind(1, widths=(1, 0))
    with pytest.raises(TypeError, match="unexpected keyword argument 'm'"):
        kind(1, m=2)  # type: ignore[call-arg]


def test_a_dataclass() -> None:
    with pytest.raises(ArgumentError, match="n=-1"):
        Record(n=-1)
    assert Record(n=1, file=Path("a")).n == 1  # type: ignore[arg-type]


def test_a_class_without_a_constructor_takes_nothing() -> None:
    assert not inspect.signature(genlab.objectives.EM).parameters
    with pytest.raises(TypeError):
        genlab.objectives.EM(steps=3)  # type: ignore[call-arg]


def test_what_is_no_mistake() -> None:
    """Tuples, ranges, numbers of numpy; and objects, of which an annotation need not know."""
    assert Plain(np.int64(2), widths=(4, 4), x=np.float32(0.5)).n == 2  # type: ignore[arg-type]
    assert Plain(1, widths=range(1, 3)).widths == range(1, 3)
    assert Plain(1, x=torch.tensor(0.5)).x == 0.5  # type: ignore[arg-type]


def test_a_model_stays_a_class_like_any() -> None:
    """Its signature, its copies and its pickles."""
    assert next(iter(inspect.signature(genlab.models.NICE).parameters)) == "event_shape"
    model = genlab.models.NICE(2, layers=2, hidden=(4,))
    x = torch.zeros(3, 2)
    for twin in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(twin.log_prob(x), model.log_prob(x))
