"""Sources of a flow other than a Gaussian, and what a continuous family refuses."""

from __future__ import annotations

import math

import pytest
import torch
from properties import RESIDUAL, SQUASH, cnf, flow_matching, realnvp

from genlab.batch import Batch
from genlab.bijections import Inverse, Standardise
from genlab.data import TargetDensity
from genlab.densities import StandardNormal, StandardUniform
from genlab.objectives import Independent
from genlab.objectives.velocity_regression import flow_matching_loss
from genlab.paths import Times
from genlab.targets import EightGaussians, Moons


def test_the_uniform_source_has_mean_0_variance_1_and_a_bounded_support():
    source = StandardUniform((2,)).double()
    x = source.sample(20_000)
    assert x.dtype == torch.float64
    assert x.mean(0).abs().max() < 0.03
    assert (x.var(0) - 1).abs().max() < 0.03
    log_p = source.log_prob(torch.tensor([[0.0, 1.7], [1.8, 0.0]]).double())
    assert log_p.tolist() == [pytest.approx(-2 * math.log(2 * math.sqrt(3))), -math.inf]


def test_a_target_as_a_source_keeps_its_precision_and_its_units():
    target = EightGaussians()
    source = TargetDensity(target, name="eight_gaussians").float()
    assert target.centres.dtype == torch.float64
    assert not source.state_dict()
    x = source.sample(100, generator=torch.Generator().manual_seed(0))
    assert torch.equal(x, target.sample(100, generator=torch.Generator().manual_seed(0)))
    torch.testing.assert_close(source.log_prob(x), target.log_prob(x))
    torch.testing.assert_close(
        source.double().log_prob(x.double()), target.log_prob(x.double()), atol=1e-12, rtol=0
    )


def test_a_flow_from_one_target_to_another_counts_both_units():
    """Where the velocity is 0 the flow is the identity, so the model is its source."""
    model = flow_matching(2, source=TargetDensity(Moons(), name="moons"))
    for parameter in model.ode.velocity.parameters():
        torch.nn.init.zeros_(parameter)
    model.preprocessing = Standardise((2,))
    model.base.preprocessing = Inverse(model.preprocessing)
    model.initialise(3 * torch.randn(1000, 2) - 1)
    x = Moons().sample(50)
    torch.testing.assert_close(model.log_prob(x), Moons().log_prob(x), atol=1e-4, rtol=1e-4)
    drawn = model.sample(50, generator=torch.Generator().manual_seed(0))
    truth = Moons().sample(50, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn, truth, atol=1e-5, rtol=1e-5)
    again = flow_matching(2, source=TargetDensity(Moons(), name="moons"))
    again.preprocessing = Standardise((2,))
    again.base.preprocessing = Inverse(again.preprocessing)
    again.load_state_dict(model.state_dict())
    torch.testing.assert_close(again.log_prob(x), model.log_prob(x), atol=0, rtol=0)


def test_a_source_with_parameters_is_given_and_learns_nothing():
    """By its gradient it would shrink to a point, from which all paths are known."""
    model = flow_matching(2, source=realnvp(2))
    loss = flow_matching_loss(
        model,
        Batch(torch.randn(20, 2)),
        pairing=Independent(),
        times=Times(distribution="uniform"),
    )
    loss.backward()
    assert all(parameter.grad is None for parameter in model.base.parameters())
    assert any(parameter.grad is not None for parameter in model.network.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"source": "gausian"}, "source=gausian: expected gaussian or uniform, or a density"),
        (
            {"source": StandardNormal((3,))},
            r"source: its samples have shape \[3\], the data's \[2\]",
        ),
        ({"guidance": 2.0}, "guidance=2: an unconditional model has nothing to go by"),
    ],
)
def test_what_does_not_fit_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        flow_matching(2, **options)


def test_the_label_of_the_likelihood_follows_the_divergence():
    for make in (cnf, flow_matching):
        unknown = {"network": RESIDUAL}
        assert make(2, **unknown).likelihood == "exact"
        assert make(2, **unknown, divergence="rademacher").likelihood == "estimate"
        assert make(2, network=SQUASH, divergence="rademacher").likelihood == "exact"
