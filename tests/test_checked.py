"""The tests' own checks of types: what they refuse, and that the package is under them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeCallHintViolation
from checked import AXES, checked, fits, fits_by_few_steps
from jaxtyping import AnnotationError, Float, Int, Shaped
from jaxtyping._storage import get_shape_memo
from torch import Tensor, nn

from genlab.models import GMM

if TYPE_CHECKING:
    from genlab.nowhere import Unknown

check = checked(typechecker=beartype(conf=BeartypeConf(is_pep484_tower=True)))
refused = pytest.raises(BeartypeCallHintViolation)


@check
def product(
    x: Float[Tensor, "n d"], *weights: Float[Tensor, " d"], scale: float = 1, like: Unknown = None
) -> Float[Tensor, " n"]:
    z = x @ weights[0] * scale
    return z if like is None else like


@check
@dataclass
class Rows:
    x: Float[Tensor, "n d"]
    label: Int[Tensor, " n"]


ROWS = torch.zeros(3, 2)


def test_an_axis_has_one_size_within_a_call_and_another_in_the_next() -> None:
    for n, d in ((3, 2), (4, 5)):
        assert product(torch.zeros(n, d), torch.ones(d), torch.ones(d), scale=2).shape == (n,)
        Rows(torch.zeros(n, d), torch.zeros(n, dtype=torch.long))
    with refused:
        product(ROWS, torch.ones(2), torch.ones(3))
    with refused:
        Rows(ROWS, torch.zeros(4, dtype=torch.long))


def test_types_and_answers_are_looked_at() -> None:
    with refused:
        product(ROWS.long(), torch.ones(2))
    with refused:
        product(ROWS, torch.ones(2), scale="1")
    with refused:
        product(ROWS, torch.ones(2), like=torch.zeros(4))
    assert product(ROWS, torch.ones(2), like=torch.ones(3)).all()


def test_a_call_within_a_call_has_axes_of_its_own() -> None:
    @check
    def outer(x: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        return product(x.T, torch.ones(len(x)))[:1].expand(len(x))

    assert outer(ROWS).shape == (3,)


def test_the_package_is_checked() -> None:
    model = GMM(2, components=2)
    with refused:
        model._log_prob(ROWS.long(), None)


AXES_OF_HINTS = (
    *("", "n", "n d", "n 2", "2 n", "n n", "_ d", "n _", "n d 2", "#n d", "n+1"),
    *("...", "n ...", "... d", "*event", "n *event", "n *event d", "*event 2", "*#event", "n *#m"),
)
ASKED = [kind[Tensor, axes] for kind in (Float, Int, Shaped) for axes in AXES_OF_HINTS]
ASKED += [Float[np.ndarray, "n d"], Float[Tensor | np.ndarray, "n"], Float[nn.Parameter, "n d"]]
SHAPES = [(), (1,), (2,), (3,), (2, 2), (3, 2), (2, 3), (1, 3), (3, 2, 2), (3, 2, 3, 2), (0, 2)]
VALUES = [
    *(torch.zeros(shape, dtype=kind) for shape in SHAPES for kind in (torch.float32, torch.int64)),
    *(torch.zeros(3, 2, dtype=kind) for kind in (torch.bfloat16, torch.bool, torch.complex64)),
    *(nn.Parameter(torch.zeros(3, 2)), np.zeros((3, 2)), np.zeros(3, int), 1.0, None),
]


def asked(chain: list[tuple[Any, Any]], answer: Callable[[Any, Any], bool]) -> list[object]:
    """The answers to some questions in a row, with what each left of the axes behind."""
    found: list[object] = []
    with AXES:
        for hint, value in chain:
            try:
                found.append(answer(hint, value))
            except AnnotationError as error:  # of an axis that is a sum of unknown ones
                found.append(type(error))
            found.append([dict(memo) for memo in get_shape_memo()])
    return found


def test_few_steps_answer_as_jaxtyping_does() -> None:
    """Whatever fits or not, and whatever was asked before in the same call."""
    draw, answers = random.Random(0), set()
    hints = [part for hint in ASKED for part in getattr(hint, "__args__", (hint,))]
    for _ in range(4000):
        chain = [(draw.choice(hints), draw.choice(VALUES)) for _ in range(5)]
        known = asked(chain, fits)
        assert asked(chain, fits_by_few_steps) == known, chain
        answers |= {answer for answer in known if isinstance(answer, bool)}
    assert answers == {True, False}
