"""Contexts reach a model in standardised units, whatever units they come in."""

from __future__ import annotations

import pytest
import torch
from properties import MODELS
from torch.func import vmap

from genlab.densities import Density
from genlab.nn import ContextEncoder


def given(name: str, context: torch.Tensor) -> Density:
    torch.manual_seed(0)
    model: Density = MODELS[name](2, context_dim=2).double()
    model.context_encoder.standardise = True
    model.initialise(torch.randn(300, 2, dtype=torch.float64), context)
    return model


@pytest.mark.parametrize("name", ["gmm", "realnvp", "vae"])
def test_units_of_a_context_do_not_matter(name: str) -> None:
    c, x = torch.randn(300, 2).double(), torch.randn(300, 2).double()
    scale, shift = torch.tensor([1e3, 1e-4]).double(), torch.tensor([-1e5, 3.0]).double()
    small, large = given(name, c), given(name, shift + scale * c)
    torch.testing.assert_close(small.log_prob(x, c), large.log_prob(x, shift + scale * c))
    encoded = large.context_encoder(shift + scale * c, 300, torch.float64)
    assert encoded is not None
    torch.testing.assert_close(encoded.mean(0), torch.zeros(2).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(encoded.std(0, correction=0), torch.ones(2).double())
    one = large.log_prob(x, shift + scale * c[0])
    torch.testing.assert_close(one, small.log_prob(x, c[0]))


def test_without_a_word_of_it_vectors_pass() -> None:
    model: Density = MODELS["realnvp"](2, context_dim=2)
    c = 5 + torch.randn(100, 2)
    model.initialise(torch.randn(100, 2), c)
    assert torch.equal(model.context_encoder(c, 100, torch.float32), c)


@pytest.mark.parametrize(
    ("context", "got"),
    [
        (torch.tensor([0, 1, 4]), "4"),
        (torch.tensor([-1]), "-1"),
        (torch.tensor([0.0, 1.0, 2.0]), r"torch\.float32"),
        (torch.tensor([True, False, True]), r"torch\.bool"),
        (torch.zeros(3, 1).long(), r"\[3, 1\]"),
        (torch.zeros(2).long(), r"\[2\]"),
        (None, "none"),
    ],
)
def test_what_is_no_label_is_named(context: torch.Tensor | None, got: str) -> None:
    encoder = ContextEncoder(labels=4)
    message = rf"context: expected integer labels from 0 to 3 of shape \[1\] or \[3\], got {got}$"
    with pytest.raises(ValueError, match=message):
        encoder(context, 3, torch.float32)


def test_one_label_serves_all_rows_also_under_vmap() -> None:
    encoder = ContextEncoder(labels=4)
    truth = torch.eye(4)[[2, 2, 2]]
    for one in (torch.tensor(2), torch.tensor([2]), torch.tensor([2], dtype=torch.uint8)):
        assert torch.equal(encoder(one, 3, torch.float32), truth)
    each = vmap(lambda label: encoder(label, 1, torch.float32)[0])(torch.arange(4))
    assert torch.equal(each, torch.eye(4))
