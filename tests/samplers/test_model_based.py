"""Samplers with a model: what they draw, how they go on, and the optimum that they find."""

from __future__ import annotations

import math

import pytest
import torch
from learned import LOOP, SAMPLERS, SQUARE, make, peak, refreshed
from properties import FAMILIES, disturb
from torch import Tensor

from genlab.bijections import Standardise
from genlab.densities import Density
from genlab.errors import UserError
from genlab.pde import Box, Disk, Domain, Grid, grid_divergence
from genlab.samplers import Descent


@pytest.mark.parametrize("kind", ["das", "bootstrap", "aas"])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_serves(kind: str, name: str) -> None:
    if kind == "aas" and name == "vae":
        with pytest.raises(UserError, match=r"`AAS`: .* VAE is a lower bound"):
            make(kind, name)
        return
    sampler = make(kind, name)
    first = sampler.refresh(None, peak)
    assert first.log_q is not None
    torch.testing.assert_close(first.log_q, torch.full((100,), -math.log(4)))
    points = sampler.refresh(first, peak)
    assert points.x.shape == (100, 2)
    assert SQUARE.contains(points.x).all()
    assert all(math.isfinite(value) for value in sampler.metrics().values())
    # AAS lets all points count the same, whatever they were drawn from.
    assert (points.log_q is None) == (kind == "aas")
    assert sampler.log_prob(points.x) is not None


@pytest.mark.parametrize("kind", SAMPLERS)
def test_a_stopped_sampler_goes_on_as_if_it_had_not_been(kind: str) -> None:
    one, other = make(kind), make(kind)
    points = refreshed(one)
    other.load_state_dict(one.state_dict())
    a, b = one.refresh(points, peak), other.refresh(points, peak)
    assert len(a.x) == (160 if one.grows else 100)
    assert torch.equal(a.x, b.x)
    assert a.log_q is b.log_q or torch.equal(a.log_q, b.log_q)
    assert one.metrics() == other.metrics()
    # And it leaves the randomness of everybody else alone.
    state = torch.get_rng_state()
    one.refresh(a, peak)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", SAMPLERS)
def test_another_draw_comes_from_the_same_density(kind: str) -> None:
    sampler = make(kind)
    points = refreshed(sampler)
    state = sampler.state_dict()
    first, second = sampler.redraw(points), sampler.redraw(points)
    if sampler.grows:
        assert first is points
        return
    assert first.x.shape == points.x.shape
    assert len(torch.cat((points.x, first.x, second.x)).unique(dim=0)) == 300
    if kind == "aas":
        assert first.log_q is None
    else:
        assert first.log_q is not None
        torch.testing.assert_close(first.log_q, sampler.log_prob(first.x))
    # Nothing of it has to be saved but how many draws there were.
    sampler.load_state_dict(state)
    assert torch.equal(sampler.redraw(points).x, first.x)
    fresh = sampler.refresh(points, peak)
    assert len(torch.cat((first.x, fresh.x)).unique(dim=0)) == 200


@pytest.mark.parametrize("name", ["realnvp", "krnet"])
def test_a_flow_in_the_box_starts_uniform(name: str) -> None:
    sampler = make("das", name)
    x = SQUARE.sample(1000, generator=None)
    with torch.no_grad():
        torch.testing.assert_close(sampler.model.log_prob(x), torch.full((1000,), -math.log(4)))


@pytest.mark.parametrize("confine", ["logistic", "normal", None])
@pytest.mark.parametrize("domain", [SQUARE, Disk()], ids=["box", "disk"])
def test_weights_integrate_over_the_domain(domain: Domain, confine: str | None) -> None:
    sampler = make("das", "realnvp", domain, confine=confine, n_points=20_000)
    # Some density that is far from uniform.
    disturb(sampler.model, 0.2)
    points = sampler._draw(20_000)
    assert points.log_q is not None
    assert domain.contains(points.x).all()
    ratio = (-points.log_q.double()).exp()
    tolerance = 4 * ratio.std().item() / math.sqrt(len(ratio)) + 0.004 * domain.volume
    assert ratio.mean().item() == pytest.approx(domain.volume, abs=tolerance)
    assert ratio.max().item() <= domain.volume / 0.5 * (1 + 1e-5)
    assert (sampler.proposal.acceptance == 1) == (domain.is_box and confine is not None)


def test_growing_points_have_the_density_of_all_stages() -> None:
    sampler = make("das-grow", "gmm", Disk(), n_points=4000, added=3000)
    points = refreshed(sampler, 2)
    assert points.x.shape == (10_000, 2)
    assert points.log_q is not None
    uniform, first, second = (stage.log_prob(points.x).exp() for _, stage in sampler.stages)
    mixture = 0.4 * uniform + 0.3 * first + 0.3 * second
    torch.testing.assert_close(points.log_q.double().exp(), mixture, rtol=1e-4, atol=1e-6)
    assert (-points.log_q).exp().mean().item() == pytest.approx(math.pi, rel=0.02)


def test_the_density_follows_the_indicator() -> None:
    sampler = make("das", "gmm", candidates=4000, fit=Descent(**LOOP | {"steps": 50}))
    refreshed(sampler, 3)
    grid = Grid(SQUARE, 100, centred=True)
    learned = sampler.proposal.log_prob_of_model(grid.x).exp()
    assert grid_divergence(grid.normalised(peak(grid.x)), learned) < 0.02
    metrics = sampler.metrics()
    assert metrics["sampler/kl"] == pytest.approx(0.0, abs=0.02)
    assert metrics["sampler/mass"] == pytest.approx(math.pi / 20, rel=0.05)
    assert metrics["sampler/int_p"] == pytest.approx(1.0, abs=0.05)


class Wave(Density):
    """``1 + a cos(pi x)`` on [0, 1], with ``a = tanh w``."""

    def __init__(self) -> None:
        super().__init__((1,))
        self.w = torch.nn.Parameter(torch.zeros(()))
        self.preprocessing = Standardise((1,), untouched=[0])

    def _log_prob(self, x: Tensor, context: Tensor | None) -> Tensor:
        return (1 + self.w.tanh() * (math.pi * x[:, 0]).cos()).log()

    def _sample(self, n: int, context: Tensor | None, generator: torch.Generator | None) -> Tensor:
        x = torch.rand(20 * n + 100, 1, generator=generator)
        height = 2 * torch.rand(len(x), generator=generator)
        return x[height < self._log_prob(x, None).exp()][:n]


def test_both_players_of_aas() -> None:
    # On [0, 1] the p of `h + 2 beta p'' = lambda`, `p'(0) = p'(1) = 0` for h = 1 + c cos(pi x) is
    # 1 + c / (2 beta pi^2) cos(pi x): here with the amplitude 1/2.
    interval = Box([(0.0, 1.0)])
    sampler = make(
        "aas",
        domain=interval,
        model=Wave(),
        beta=0.8 / math.pi**2,
        candidates=100_000,
        fit=Descent(steps=150, lr=0.05, batch_size=5000, gradient_clip=5.0),
    )

    def wave(x: Tensor) -> Tensor:
        return 3.0 * (1 + 0.8 * (math.pi * x[:, 0]).cos())

    points = sampler.refresh(sampler.refresh(None, wave), wave)
    assert sampler.model.w.tanh().item() == pytest.approx(0.5, abs=0.02)
    # The network's player lowers the mean over the points: no weights.
    assert points.log_q is None
    assert sampler.metrics()["sampler/log_p_max"] == pytest.approx(math.log(1.5), abs=0.02)
