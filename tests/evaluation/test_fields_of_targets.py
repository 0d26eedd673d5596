"""Divergences of models of fields: under contexts, and as a share of the negentropy."""

from __future__ import annotations

import math

import pytest
import torch
from fields.dense import sample_given

from genlab.batch import Batch
from genlab.bijections import SpectralStandardise
from genlab.densities import Density, StandardNormal
from genlab.evaluation import evaluate
from genlab.evaluation.fields import field_scores
from genlab.fields import Matern, PowerLaw
from genlab.targets import GaussianField, Kolmogorov

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


class Counted(Truth):
    """It takes note of how many log-densities it is asked for."""

    def __init__(self, target):
        super().__init__(target, shift=1.0)
        self.asked = 0

    def _log_prob(self, x, context):
        self.asked += len(x)
        return super()._log_prob(x, context)


def test_a_field_is_followed_once_for_both_its_nats():
    target = GaussianField(9, spectrum=PowerLaw(), **SEEN)
    model = Counted(target)
    found = measured(model, target, kl_samples=50)
    assert model.asked == 50
    # The spread of -log p of a Gaussian's samples is that of half a chi-squared number.
    assert found["test/nll/se"] == pytest.approx((81 / 2 / 50) ** 0.5, rel=0.4)
    assert found["time/samples_per_second"] > 0


def test_nobody_is_asked_for_a_density_that_does_not_exist():
    target = Kolmogorov(8, forced_wavenumber=2, drag=2.0, viscosity=0.1, snapshots=5)
    test = Batch(torch.randn(40, 1, 8, 8))
    model = Counted(GaussianField(8, spectrum=PowerLaw()))
    found = evaluate(
        model, test=test, target=target, generator=torch.Generator(), quantity="vorticity"
    )
    assert model.asked == 0
    assert "test/nll" not in found
    assert found["test/retention/inertial"] > 0


def test_increments_of_a_laminar_flow_have_no_unit():
    along_y = 2 * math.pi * torch.arange(8.0) / 8
    laminar = torch.linspace(1, 2, 10)[:, None, None, None] * along_y.cos().expand(10, 1, 8, 8)
    scores = field_scores(
        torch.randn(10, 1, 8, 8), laminar, laminar, "vorticity", generator=torch.Generator()
    )
    assert math.isnan(scores["test/increments"].value)
    assert scores["test/retention/energetic"].value > 0
