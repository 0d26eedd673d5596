"""Samplers with a model: the density that they draw from, and what they teach the model."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from properties import MODELS, disturb
from torch import Tensor

from genlab.batch import Batch
from genlab.bijections import FixedStepSolver, Standardise
from genlab.densities import Density
from genlab.errors import RunError, UserError
from genlab.objectives import Independent, negative_log_likelihood
from genlab.paths import Times
from genlab.pde import Box, Disk, Domain
from genlab.samplers import (
    AAS,
    DAS,
    Bootstrap,
    Descent,
    ELBOFit,
    EMFit,
    Fit,
    FlowMatchingFit,
    LikelihoodFit,
    Points,
    RegularisedFit,
    grid_divergence,
)
from genlab.samplers.grid import cell_centres
from genlab.samplers.model_based import ModelSampler
from genlab.samplers.proposal import Proposal
from genlab.samplers.weights import importance_weights

SQUARE = Box([(-1.0, 1.0)] * 2)
LOOP: dict[str, Any] = {"steps": 4, "lr": 1e-3, "batch_size": 32, "gradient_clip": 5.0}
FITS: dict[str, Fit] = {
    "cnf": RegularisedFit(**LOOP, kinetic=0.01),
    "flow-matching": FlowMatchingFit(
        **LOOP, coupling=Independent(), times=Times(distribution="uniform", mean=0.0, std=1.0)
    ),
    "gmm": EMFit(steps=10),
    "vae": ELBOFit(**LOOP, importance_samples=1),
}
COARSE = {"solver": FixedStepSolver(method="rk4", steps=4)}
OPTIONS = {"cnf": COARSE | {"evaluation": COARSE["solver"]}}
OPTIONS["flow-matching"] = OPTIONS["cnf"]
FAMILIES = ["gmm", "vae", "nice", "realnvp", "krnet", "resflow", "nsf", "cnf", "flow-matching"]


def family(name: str, dim: int = 2) -> Density:
    return MODELS[name](dim, **OPTIONS.get(name, {}))


def make(
    kind: str,
    name: str = "realnvp",
    domain: Domain = SQUARE,
    model: Density | None = None,
    **own: Any,
) -> ModelSampler:
    """A small sampler; keywords replace what it would have."""
    ours = {"das": {"added": None}, "aas": {"beta": 0.01}, "bootstrap": {}}[kind]
    if kind == "bootstrap":
        ours = {"resampling": "systematic", "jitter": 0.01}
    fit = Descent(**LOOP) if kind == "aas" else FITS.get(name, LikelihoodFit(**LOOP))
    common = {"domain": domain, "n_points": 100, "seed": 1, "alpha": 0.5, "candidates": 400}
    common |= {"model": model or family(name), "fit": fit, "confine": "logistic"}
    made: ModelSampler = {"das": DAS, "aas": AAS, "bootstrap": Bootstrap}[kind](
        **common | ours | own
    )
    return made


def peak(x: Tensor) -> Tensor:
    return (-20 * (x - 0.3).square().sum(1)).exp()


def refreshed(sampler: ModelSampler, times: int = 1) -> Points:
    points = sampler.refresh(None, peak)
    for _ in range(times):
        points = sampler.refresh(points, peak)
    return points


@pytest.mark.parametrize("kind", ["das", "bootstrap", "aas"])
@pytest.mark.parametrize("name", FAMILIES)
def test_every_family_serves(kind: str, name: str) -> None:
    if kind == "aas" and name == "vae":
        with pytest.raises(UserError, match=r"sampler=aas: .* VAE is a lower bound"):
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


@pytest.mark.parametrize("kind", ["das", "das-grow", "bootstrap", "aas"])
def test_a_stopped_sampler_goes_on_as_if_it_had_not_been(kind: str) -> None:
    own = {"added": 30} if kind == "das-grow" else {}
    one = make(kind.removesuffix("-grow"), **own)
    points = refreshed(one)
    other = make(kind.removesuffix("-grow"), **own)
    other.load_state_dict(one.state_dict())
    a, b = one.refresh(points, peak), other.refresh(points, peak)
    assert len(a.x) == (160 if own else 100)
    assert torch.equal(a.x, b.x)
    assert a.log_q is b.log_q or torch.equal(a.log_q, b.log_q)
    assert one.metrics() == other.metrics()
    # And it leaves the randomness of everybody else alone.
    state = torch.get_rng_state()
    one.refresh(a, peak)
    assert torch.equal(torch.get_rng_state(), state)


@pytest.mark.parametrize("kind", ["das", "das-grow", "bootstrap", "aas"])
def test_another_draw_comes_from_the_same_density(kind: str) -> None:
    sampler = make(kind.removesuffix("-grow"), added=30) if "grow" in kind else make(kind)
    points = refreshed(sampler)
    state = sampler.state_dict()
    first, second = sampler.redraw(points), sampler.redraw(points)
    if kind == "das-grow":
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


def gaussian(deviation: float) -> Density:
    """``N(0, deviation^2 I)`` in the plane."""
    model = MODELS["gmm"](2, components=1)
    model.mixture.load(
        model.mixture()._replace(
            means=torch.zeros(1, 1, 2), roots=(torch.eye(2) / deviation).view(1, 1, 2, 2)
        )
    )
    return model.double()


def test_acceptance_on_a_disk() -> None:
    proposal = Proposal(Disk(), gaussian(0.7), alpha=0.0)
    proposal.fitted = True
    proposal.estimate_acceptance(100_000, generator=torch.Generator().manual_seed(0))
    exact = -math.expm1(-1 / (2 * 0.7**2))
    assert proposal.acceptance == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 1e5))
    x = proposal.sample(20_000, generator=torch.Generator().manual_seed(1))
    # Of what is kept, the radius has the law of the Gaussian inside the disk.
    inside = (x.square().sum(1) < 0.25).double().mean().item()
    assert inside == pytest.approx(-math.expm1(-0.125 / 0.49) / exact, abs=0.015)
    grid, cell = cell_centres(Disk(), 400)
    assert proposal.log_prob(grid).exp().sum().item() * cell == pytest.approx(1.0, abs=0.005)


def test_a_model_that_misses_the_domain_is_told() -> None:
    proposal = Proposal(Disk(), gaussian(1000.0), alpha=0.5)
    with pytest.raises(RunError, match=r"lies in the domain\ntry"):
        proposal.estimate_acceptance(1000, generator=torch.Generator().manual_seed(0))


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
    sampler = make("das", "gmm", Disk(), n_points=4000, added=3000)
    points = refreshed(sampler, 2)
    assert points.x.shape == (10_000, 2)
    assert points.log_q is not None
    uniform, first, second = (stage.log_prob(points.x).exp() for _, stage in sampler.stages)
    mixture = 0.4 * uniform + 0.3 * first + 0.3 * second
    torch.testing.assert_close(points.log_q.double().exp(), mixture, rtol=1e-4, atol=1e-6)
    assert (-points.log_q).exp().mean().item() == pytest.approx(math.pi, rel=0.02)


def test_the_gradient_of_das_against_quadrature() -> None:
    model = disturb(MODELS["realnvp"](2), 0.1)
    model.confine(SQUARE.box, base="logistic")
    model.double()
    parameters = list(model.parameters())
    x, cell = cell_centres(SQUARE, 200)
    density = peak(x) / (peak(x).sum() * cell)
    exact = torch.autograd.grad(-(density * model.log_prob(x)).sum() * cell, parameters)
    proposal = Proposal(SQUARE, disturb(make("das", "realnvp").model.double(), 0.05), alpha=0.5)
    proposal.fitted = True
    drawn = proposal.sample(100_000, generator=torch.Generator().manual_seed(0))
    weights = importance_weights(peak(drawn), proposal.log_prob(drawn))
    loss = negative_log_likelihood(model, Batch(drawn, weight=weights.values))
    found = torch.autograd.grad(loss, parameters)
    a, b = (torch.cat([part.flatten() for part in parts]) for parts in (exact, found))
    assert (a - b).norm() < 0.03 * a.norm()
    # Rows drawn by their weights, as the steps of a fit see them, have it on the average.
    rows = Descent(steps=1, lr=1.0, batch_size=100_000, gradient_clip=1.0).rows(
        Batch(drawn, weight=weights.values), torch.Generator().manual_seed(1)
    )
    found = torch.autograd.grad(negative_log_likelihood(model, Batch(drawn[rows[0]])), parameters)
    assert (a - torch.cat([part.flatten() for part in found])).norm() < 0.03 * a.norm()


def test_the_density_follows_the_indicator() -> None:
    sampler = make("das", "gmm", candidates=4000, fit=EMFit(steps=50))
    refreshed(sampler, 3)
    divergence = grid_divergence(peak, sampler.proposal.log_prob_of_model, SQUARE, cells=100)
    assert divergence < 0.02
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


@pytest.mark.parametrize(
    ("kind", "name", "fit", "message"),
    [
        ("das", "gmm", FITS["vae"], "ELBOFit teaches VAE models, not GMM"),
        ("bootstrap", "nsf", FITS["flow-matching"], "teaches FlowMatching models, not NSF"),
        ("das", "gmm", LikelihoodFit(**LOOP), "model.fit=em"),
    ],
)
def test_impossible_pairs(kind: str, name: str, fit: Fit, message: str) -> None:
    with pytest.raises(UserError, match=message):
        make(kind, name, fit=fit)


def test_a_diverging_fit_is_told() -> None:
    sampler = make("das", fit=LikelihoodFit(**LOOP | {"steps": 30, "lr": 1e30}))
    with pytest.raises(RunError, match=r"fit became .*\ntry a smaller sampler.fit.lr"):
        refreshed(sampler)
