"""Divergences of models of fields: under contexts, and as a share of the negentropy."""

from __future__ import annotations

import math

import pytest
import torch
from fields.dense import sample_given

from genlab.bijections import SpectralStandardise
from genlab.densities import Density, StandardNormal
from genlab.evaluation import evaluate
from genlab.fields import Matern, PowerLaw
from genlab.targets import GaussianField

SEEN = {"condition": "low_resolution", "factor": 3}


class Truth(Density):
    """The density of a target, ``shift`` nats too low."""

    def __init__(self, target, shift=0.0):
        super().__init__(target.event_shape, context_dim=target.context_dim)
        self.shift = shift
        self.register_buffer("origin", torch.zeros(()))
        self._hidden = (target,)

    def _log_prob(self, x, context):
        rest = () if context is None else (context,)
        return self._hidden[0].log_prob(x, *rest) - self.shift

    def _sample(self, n, context, generator):
        if context is None:
            return self._hidden[0].sample(n, generator=generator)
        return sample_given(self._hidden[0], context, generator)


def measured(model, target, **options):
    return evaluate(
        model,
        test=target.draw(100),
        target=target,
        generator=torch.Generator().manual_seed(0),
        w2_points=40,
        weighted=100,
        **options,
    )


@pytest.fixture
def log_normal():
    return GaussianField(3, spectrum=Matern(rms=0.7), log_normal=True)


def test_the_best_gaussian_captures_nothing_of_the_negentropy(log_normal):
    model = StandardNormal((1, 3, 3))
    mean = math.exp(0.7**2 / 2)
    model.preprocessing = SpectralStandardise(log_normal.second_moments[None], torch.tensor([mean]))
    found = measured(model, log_normal, kl_samples=20_000)
    negentropy = log_normal.negentropy
    share, error = found["test/negentropy_captured"], found["test/negentropy_captured/se"]
    assert error == pytest.approx(found["test/kl/se"] / negentropy)
    assert abs(share) < 4 * error < 0.5


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_the_truth_captures_all_of_it(log_normal, shift):
    found = measured(Truth(log_normal, shift), log_normal)
    negentropy = log_normal.negentropy
    assert found["test/kl"] == pytest.approx(shift, abs=1e-5)
    assert found["test/negentropy_captured"] == pytest.approx(1 - shift / negentropy, abs=1e-5)


@pytest.mark.parametrize("shift", [0.0, 1.0])
def test_nats_above_the_optimum_under_contexts(shift):
    target = GaussianField(9, spectrum=PowerLaw(), **SEEN)
    found = measured(Truth(target, shift), target)
    assert found["test/kl"] == pytest.approx(shift, abs=1e-4)
    assert found["target/entropy"] == target.entropy
    assert abs(found["test/nll"] - shift - target.entropy) < 4 * found["test/nll/se"]
    assert not {"test/negentropy_captured", "test/ess"} & found.keys()


def test_a_model_that_does_not_look_is_as_far_off_as_the_context_tells():
    target = GaussianField(9, spectrum=PowerLaw(), **SEEN)
    prior = GaussianField(9, spectrum=PowerLaw())

    class Blind(Truth):
        def _log_prob(self, x, context):
            return prior.log_prob(x)

    found = measured(Blind(target), target, kl_samples=4000)
    told = prior.entropy - target.entropy
    assert told > 1
    assert abs(found["test/kl"] - told) < 4 * found["test/kl/se"]
