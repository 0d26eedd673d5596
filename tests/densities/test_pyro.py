"""Densities in Pyro's programs: posteriors that are known exactly."""

from __future__ import annotations

import math

import pytest
import torch

from genlab.densities import Density, StandardNormal
from genlab.models import RealNVP

pyro = pytest.importorskip("pyro")

import pyro.distributions as dist  # noqa: E402
from pyro import infer, poutine  # noqa: E402

# y = z_1 + z_2 + noise of variance 1/2 with z standard normal: z | y is normal, p(y) = N(0, 5/2).
Y, VARIANCE = 2.0, 0.5
MEAN = Y / (2 + VARIANCE)
LOG_EVIDENCE = -0.5 * (Y**2 / (2 + VARIANCE) + math.log(2 * math.pi * (2 + VARIANCE)))


def prior() -> Density:
    return StandardNormal((2,))


def program() -> torch.Tensor:
    z = pyro.sample("z", prior().distribution())
    pyro.sample("y", dist.Normal(z.sum(-1), VARIANCE**0.5), obs=torch.tensor(Y))
    return z


def proposal() -> torch.Tensor:
    """A flow that is the identity at its start, moved to where the posterior is."""
    flow = RealNVP(2, layers=2, hidden=[4]).requires_grad_(False)
    shifted = dist.TransformedDistribution(
        flow.distribution(), dist.transforms.AffineTransform(MEAN, 1.0, event_dim=1)
    )
    return pyro.sample("z", shifted)


@pytest.mark.parametrize("guide", [None, proposal], ids=["prior", "proposal"])
def test_importance_sampling_finds_the_evidence_and_the_posterior(guide) -> None:  # type: ignore[no-untyped-def]
    posterior = infer.Importance(program, guide=guide, num_samples=1000).run()
    assert posterior.get_log_normalizer().item() == pytest.approx(LOG_EVIDENCE, abs=0.12)
    mean = infer.EmpiricalMarginal(posterior, "z").mean
    torch.testing.assert_close(mean, torch.full((2,), MEAN), atol=0.15, rtol=0)


def test_plates_masks_and_events_are_as_of_any_distribution_of_pyro() -> None:
    model = RealNVP(2, context_dim=3, layers=2, hidden=[4])
    context = torch.randn(5, 3)

    def batch() -> torch.Tensor:
        with pyro.plate("rows", 5):
            return pyro.sample("x", model.distribution(context))

    trace = poutine.trace(batch).get_trace()
    trace.compute_log_prob()
    site = trace.nodes["x"]
    assert site["log_prob"].shape == (5,)
    torch.testing.assert_close(site["log_prob"], model.log_prob(site["value"], context))
    p = model.distribution(context)
    assert p.to_event(1).log_prob(p.sample()).shape == ()
    assert p.mask(torch.arange(5) < 2).log_prob(p.sample())[2:].eq(0).all()
    assert p.expand_by((4,)).sample().shape == (4, 5, 2)


def test_a_plate_widens_a_prior() -> None:
    def batch() -> torch.Tensor:
        with pyro.plate("rows", 5):
            return pyro.sample("x", prior().distribution())

    assert batch().shape == (5, 2)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kernel", "n"), [(infer.RandomWalkKernel, 2000), (infer.NUTS, 100)], ids=["walk", "nuts"]
)
def test_chains_find_the_posterior(kernel, n: int) -> None:  # type: ignore[no-untyped-def]
    chain = infer.MCMC(kernel(program), num_samples=n, warmup_steps=50, disable_progbar=True)
    chain.run()
    mean = chain.get_samples()["z"].mean(0)
    torch.testing.assert_close(mean, torch.full((2,), MEAN), atol=0.3, rtol=0)
