"""Samplers without a model: where their points lie, how many, and that they repeat."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from genlab.errors import RunError
from genlab.pde import Box, Disk, Domain, Grid, LShape
from genlab.samplers import R3, RAD, RARD, LatinHypercube, Points, Sampler, Sobol, UniformSampler

DOMAINS: dict[str, Domain] = {
    "box": Box([(-1.0, 1.0), (0.0, 3.0)]),
    "disk": Disk(),
    "L": LShape(),
}
SAMPLERS: dict[str, Callable[..., Sampler]] = {
    "fixed": partial(UniformSampler, resample=False),
    "uniform": partial(UniformSampler, resample=True),
    "lhs": partial(LatinHypercube, resample=True),
    "sobol": partial(Sobol, resample=True),
    "rad": partial(RAD, candidates=2000, k=1.0, c=1.0, weighted=False),
    "rad-weighted": partial(RAD, candidates=2000, k=1.0, c=1.0, weighted=True),
    "rar_d": partial(RARD, candidates=2000, added=30, k=2.0, c=0.0),
    "r3": R3,
}


def make(name: str, domain: Domain, *, n_points: int = 200, seed: int = 3) -> Sampler:
    return SAMPLERS[name](domain=domain, n_points=n_points, seed=seed)


def indicator(x: Tensor) -> Tensor:
    return (-20 * (x - 0.3).square().sum(1)).exp()


@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
@pytest.mark.parametrize("name", SAMPLERS)
def test_points_lie_in_the_domain_and_keep_their_number(name: str, domain: Domain) -> None:
    sampler = make(name, domain)
    points = sampler.refresh(None, indicator)
    for stage in range(1, 4):
        before, points = points, sampler.refresh(points, indicator)
        expected = 200 + (30 * stage if sampler.grows else 0)
        assert points.x.shape == (expected, 2)
        assert domain.contains(points.x).all()
        assert points.log_q is None or points.log_q.shape == (expected,)
        assert (name == "fixed") == (
            len(before.x) == expected and bool((points.x == before.x).all())
        )


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_stopped_sampler_goes_on_as_if_it_had_not_been(name: str) -> None:
    one, other = make(name, DOMAINS["disk"]), make(name, DOMAINS["disk"])
    points = one.refresh(one.refresh(None, indicator), indicator)
    other.load_state_dict(one.state_dict())
    assert torch.equal(
        one.refresh(points, indicator).x, other.refresh(Points(*points), indicator).x
    )


@pytest.mark.parametrize("name", ["uniform", "lhs", "sobol"])
def test_draws_never_repeat(name: str) -> None:
    sampler = make(name, Disk())
    points = [sampler.refresh(None, indicator)]
    for _ in range(2):
        points += [sampler.redraw(points[-1]), sampler.redraw(points[-1])]
        points += [sampler.refresh(points[-1], indicator)]
    together = torch.cat([each.x for each in points])
    assert len(together.unique(dim=0)) == len(together) == 7 * 200


@pytest.mark.parametrize("name", ["uniform", "lhs", "sobol", "rad-weighted"])
@pytest.mark.parametrize("domain", DOMAINS.values(), ids=DOMAINS)
def test_weights_integrate_over_the_domain(name: str, domain: Domain) -> None:
    sampler = make(name, domain, n_points=1000)
    points = sampler.refresh(sampler.refresh(None, indicator), indicator)
    assert points.log_q is not None
    ratio = (-points.log_q).exp()
    # The density that RAD draws from is known up to the noise of its candidates.
    assert ratio.mean().item() == pytest.approx(domain.volume, rel=0.06)
    # Rewarded where they crowd: an integral whose value is known better.
    value = (indicator(points.x) * ratio).mean().item()
    exact = domain.volume * indicator(Grid(domain, 400).x).mean().item()
    assert value == pytest.approx(exact, rel=0.15)


def test_a_latin_hypercube_has_one_point_in_each_slice() -> None:
    x = make("lhs", DOMAINS["box"]).refresh(None, indicator).x
    low, high = torch.tensor(DOMAINS["box"].box).unbind(1)
    slices = ((x - low) / (high - low) * len(x)).long().sort(dim=0).values
    assert torch.equal(slices, torch.arange(200)[:, None].expand(-1, 2))


def test_sobol_fills_more_evenly_than_chance() -> None:
    def variance(name: str) -> float:
        cells = torch.zeros(4, 4)
        for seed in range(10):
            x = make(name, Box([(0.0, 1.0)] * 2), n_points=256, seed=seed).refresh(None, indicator)
            index = (x.x * 4).long()
            cells.index_put_((index[:, 0], index[:, 1]), torch.ones(256), accumulate=True)
        return cells.var().item()

    assert variance("sobol") < 0.01
    assert variance("uniform") > 50


@pytest.mark.parametrize("name", ["uniform", "lhs", "sobol", "rad-weighted"])
def test_every_fourth_point_is_a_sample_of_all(name: str) -> None:
    sampler = make(name, Box([(0.0, 1.0), (0.0, 1.0)]), n_points=400)
    points = sampler.refresh(None, indicator)
    for _ in range(4):
        points = sampler.refresh(points, lambda x: torch.ones(len(x)))
        some = points.x[::4]
        low = (some < 0.5).double().mean(0)
        assert ((low - 0.5).abs() < 0.25).all()


@pytest.mark.parametrize("name", ["sobol", "lhs"])
def test_no_point_is_rounded_up_to_an_upper_face(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def last(*of: Any, **ways: Any) -> Tensor:  # what comes nearest to one
        return torch.full((8, 2), 1 - 2**-53, dtype=torch.float64)

    monkeypatch.setattr("genlab.samplers.uniform.latin_hypercube", last)
    monkeypatch.setattr(torch.quasirandom.SobolEngine, "draw", last)
    box = [(0.0, 0.1), (100.0, 101.0)]
    x = make(name, Box(box), n_points=8).refresh(None, indicator).x
    assert x.dtype == torch.float32
    assert (x.double() < torch.tensor(box, dtype=torch.float64)[:, 1]).all()


def test_rad_crowds_as_its_density_says() -> None:
    sampler = make("rad", Box([(0.0, 1.0)]), n_points=100)
    points = sampler.refresh(None, indicator)
    drawn = torch.cat(
        [sampler.refresh(points, lambda x: 9.0 * (x[:, 0] < 0.25)).x for _ in range(40)]
    )
    # e = 3 on a quarter: P = (3 / .75 + 1) / 2 there, 1/2 elsewhere.
    share = (drawn < 0.25).double().mean().item()
    assert share == pytest.approx(0.25 * 2.5, abs=0.03)


def test_r3_retains_what_is_above_the_mean() -> None:
    sampler = make("r3", Box([(0.0, 1.0)] * 2))
    points = sampler.refresh(None, indicator)
    size = indicator(points.x).sqrt()
    above = points.x[size > size.mean()]
    after = sampler.refresh(points, indicator).x
    assert torch.equal(after[: len(above)], above)
    assert not torch.isin(after[len(above) :], points.x).any()
    assert sampler.metrics() == {"sampler/retained": len(above) / 200}


@pytest.mark.parametrize("name", ["rad", "rad-weighted", "rar_d", "r3"])
def test_what_a_lost_network_says(name: str) -> None:
    sampler = make(name, DOMAINS["box"])
    points = sampler.refresh(None, indicator)
    assert len(sampler.refresh(points, lambda x: torch.zeros(len(x))).x) >= 200
    told = r"not finite at .* points, as at x = \[.*\]\nthe network has diverged"
    with pytest.raises(RunError, match=told):
        sampler.refresh(points, lambda x: torch.where(x[:, 0] < 0, math.nan, 1.0))
    with pytest.raises(RunError, match="negative"):
        sampler.refresh(points, lambda x: -torch.ones(len(x)))
