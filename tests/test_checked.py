"""The tests' own checks of types: what they refuse, and that the package is under them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
import torch
from beartype import BeartypeConf, beartype
from beartype.roar import BeartypeCallHintViolation
from checked import checked
from jaxtyping import Float, Int
from torch import Tensor

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
