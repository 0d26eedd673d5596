"""Contexts reach a model in standardised units, whatever units they come in."""

from __future__ import annotations

import pytest
import torch
from properties import MODELS

from genlab.densities import Density


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
