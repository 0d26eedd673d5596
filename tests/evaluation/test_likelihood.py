from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from genlab.batch import Batch
from genlab.evaluation import kl, negative_log_likelihood


def gaussian_kl(mean_p, scale_p, mean_q, scale_q):
    mean_p, scale_p, mean_q, scale_q = map(np.array, (mean_p, scale_p, mean_q, scale_q))
    ratio = (scale_p / scale_q) ** 2
    return 0.5 * np.sum(ratio + ((mean_q - mean_p) / scale_q) ** 2 - 1 - np.log(ratio))


def test_nll_of_a_gaussian(affine_flow, generator, global_state):
    flow = affine_flow([1.0, -2.0], [0.5, 3.0])
    with torch.no_grad():
        x = flow.sample(20_000, generator=generator)
    estimate = negative_log_likelihood(flow, Batch(x), batch_size=999)
    entropy = math.log(2 * math.pi * math.e) + math.log(0.5 * 3.0)
    assert abs(estimate.value - entropy) < 4 * estimate.se
    # -log p = |z|^2 / 2 + constant, of variance d / 2.
    assert estimate.se == pytest.approx(math.sqrt(1 / 20_000), rel=0.05)


def test_nll_honours_weights(affine_flow):
    flow = affine_flow([0.0], [1.0])
    x = torch.tensor([[0.0], [2.0], [100.0]])
    estimate = negative_log_likelihood(flow, Batch(x, weight=torch.tensor([3.0, 1.0, 0.0])))
    assert estimate.value == pytest.approx(0.5 * math.log(2 * math.pi) + 0.25 * 2.0, rel=1e-6)


def test_nll_uses_the_context(affine_flow):
    flow = affine_flow([0.0], [1.0], context_dim=1)
    context = torch.randn(10, 1)
    estimate = negative_log_likelihood(flow, Batch(context.clone(), context), batch_size=3)
    assert estimate.value == pytest.approx(0.5 * math.log(2 * math.pi), rel=1e-6)


def test_an_impossible_sample_is_not_hidden(affine_flow):
    flow = affine_flow([0.0], [1.0])
    assert negative_log_likelihood(flow, Batch(torch.tensor([[0.0], [1e30]]))).value == math.inf
    assert math.isnan(negative_log_likelihood(flow, Batch(torch.tensor([[0.0], [math.nan]]))).value)


def test_an_estimated_likelihood_repeats(noisy_flow, global_state):
    flow, batch = noisy_flow([0.0], [1.0]), Batch(torch.zeros(10, 1))

    def nll(seed):
        return negative_log_likelihood(flow, batch, generator=torch.Generator().manual_seed(seed))

    assert nll(0) == nll(0)
    assert nll(0) != nll(1)
    assert negative_log_likelihood(flow, batch) == negative_log_likelihood(flow, batch)


@pytest.mark.parametrize("scale", [[1.0, 2.0], [0.9, 2.3]])
def test_kl_of_gaussians(affine_flow, gaussian_target, generator, global_state, scale):
    target, flow = gaussian_target([0.0, 1.0], [1.0, 2.0]), affine_flow([0.3, 0.8], scale)
    estimate = kl(flow, target, n=50_000, generator=generator)
    exact = gaussian_kl([0.0, 1.0], [1.0, 2.0], [0.3, 0.8], scale)
    assert abs(estimate.value - exact) < 4 * estimate.se
    assert estimate.se < 0.01


def test_kl_of_the_right_model_has_almost_no_noise(affine_flow, gaussian_target, generator):
    target, flow = gaussian_target([0.5, 1.0], [1.0, 2.0]), affine_flow([0.5, 1.0], [1.0, 2.0])
    estimate = kl(flow, target, n=10_000, generator=generator)
    assert abs(estimate.value) < 1e-6
    assert estimate.se < 1e-7


def test_kl_repeats_and_is_asked_in_eval_mode(affine_flow, gaussian_target, global_state):
    target, flow = gaussian_target([0.0], [1.0]), affine_flow([0.3], [1.0]).train()
    results = [
        kl(flow, target, n=1000, generator=torch.Generator().manual_seed(seed), batch_size=300)
        for seed in (0, 0, 1)
    ]
    assert results[0] == results[1] != results[2]
    assert flow.training
    assert flow.seen[:4] == [(300, False, False)] * 3 + [(100, False, False)]


def test_kl_needs_a_density(affine_flow, sample_target, generator):
    with pytest.raises(NotImplementedError, match="samples only"):
        kl(affine_flow([0.0], [1.0]), sample_target([0.0], [1.0]), n=10, generator=generator)
