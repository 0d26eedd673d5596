from __future__ import annotations

import math

import pytest
import torch

from genlab.densities import StandardNormal
from genlab.evaluation import inverse_error
from genlab.evaluation.sampling import bijection_of


def test_an_exact_inverse(affine_flow, generator, global_state):
    flow = affine_flow([0.5, 1.0], [2.0, 4.0]).train()
    assert inverse_error(flow, torch.randn(100, 2, generator=generator)) < 1e-6
    assert flow.training


def test_the_largest_error_of_a_wrong_inverse(affine_flow):
    flow = affine_flow([0.0, 0.0], [1.0, 1.0])
    layer = flow.bijection.layers[0]
    layer.inverse = lambda z, context=None: (z + 0.1 * z.square(), z[:, 0])
    x = torch.tensor([[1.0, 0.0], [0.0, -3.0], [2.0, 2.0]])
    assert inverse_error(flow, x, batch_size=2) == pytest.approx(0.9, rel=1e-5)


def test_the_error_of_each_column_is_in_its_own_units(affine_flow):
    flow = affine_flow([0.0, 0.0], [1.0, 1.0])
    flow.bijection.layers[0].inverse = lambda z, context=None: (z + 0.1 * z.square(), z[:, 0])
    x = torch.tensor([[1.0, 0.0], [0.0, -3.0], [2.0, 2.0]])
    scale = torch.tensor([0.01, 10.0])
    assert inverse_error(flow, x, scale=scale) == pytest.approx(0.4 / 0.01, rel=1e-5)


def test_what_is_not_a_number_is_told(affine_flow):
    flow = affine_flow([0.0], [1.0])
    x = torch.tensor([[0.0], [math.nan], [0.0]])
    assert math.isnan(inverse_error(flow, x, batch_size=1))


def test_labels_are_encoded(affine_flow):
    flow = affine_flow([0.0, 0.0], [1.0, 1.0], labels=2)
    assert inverse_error(flow, torch.randn(3, 2), torch.tensor([0, 1, 1]), batch_size=2) < 1e-6


def test_only_flows_have_one():
    assert bijection_of(StandardNormal((2,))) is None
    with pytest.raises(ValueError, match="expected a flow"):
        inverse_error(StandardNormal((2,)), torch.randn(3, 2))
