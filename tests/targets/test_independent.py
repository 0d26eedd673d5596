"""Densities against other people's implementations and against brute force."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import integrate, special, stats
from sklearn import datasets

from genlab import targets
from genlab.targets import ExactTarget

Array = NDArray[np.float64]


def random_points(n: int, half: float = 4.0) -> torch.Tensor:
    return half * (2 * torch.rand(n, 2, dtype=torch.float64) - 1)


def assert_log_prob(target: ExactTarget, x: torch.Tensor, expected: Array) -> None:
    np.testing.assert_allclose(target.log_prob(x).numpy(), expected, rtol=1e-7, atol=1e-7)


def test_eight_gaussians() -> None:
    x = random_points(500)
    angles = np.arange(8) * np.pi / 4
    covariance = (0.5 / 1.414) ** 2 * np.eye(2)
    densities = [
        stats.multivariate_normal(4 / 1.414 * np.array([np.cos(a), np.sin(a)]), covariance).pdf(x)
        for a in angles
    ]
    assert_log_prob(targets.EightGaussians(), x, np.log(np.mean(densities, 0)))


def test_diamond() -> None:
    target, side = targets.Diamond(), np.linspace(-2.5, 2.5, 20)
    x = target.sample(300).double()
    lattice = np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)
    turn = np.array([[1, -1], [1, 1]]) / np.sqrt(2)
    centres = lattice @ turn.T
    distance = ((x.numpy()[:, None] - centres) ** 2).sum(2)
    log_terms = -distance / (2 * 0.04**2) - np.log(400 * 2 * np.pi * 0.04**2)
    assert_log_prob(target, x, special.logsumexp(log_terms, 1))


@pytest.mark.parametrize(
    ("target", "circles"),
    [
        (targets.Circles(), [(0, 0, 3), (0, 0, 1.5)]),
        (targets.Rings(), [(0, 0, 0.75), (0, 0, 1.5), (0, 0, 2.25), (0, 0, 3)]),
        (targets.FourCircles(), [(i, j, 2) for i in (-1, 1) for j in (-1, 1)]),
    ],
    ids=["circles", "rings", "four_circles"],
)
def test_rings_are_gaussians_averaged_over_the_angle(
    target: targets.Circles, circles: list[tuple[float, float, float]]
) -> None:
    x = random_points(200, 3.5)
    angle = np.arange(4000) * 2 * np.pi / 4000
    direction = np.stack((np.cos(angle), np.sin(angle)), 1)
    log_terms = []
    for x1, x2, radius in circles:
        centres = np.array([x1, x2]) + radius * direction
        distance = ((x.numpy()[:, None] - centres) ** 2).sum(2)
        log_terms.append(-distance / (2 * target.noise**2) - np.log(len(angle)))
    expected = special.logsumexp(np.concatenate(log_terms, 1), 1) - np.log(
        len(circles) * 2 * np.pi * target.noise**2
    )
    assert_log_prob(target, x, expected)


@pytest.mark.parametrize(
    ("target", "samples"),
    [
        (
            targets.Moons(),
            lambda n: 2 * datasets.make_moons(n, noise=0.1, random_state=0)[0] + [-1, -0.2],
        ),
        (
            targets.Moons(noise=0.6, scale=3.0),
            lambda n: 3 * datasets.make_moons(n, noise=0.2, random_state=0)[0] + [-1.5, -0.3],
        ),
        (
            targets.Circles(),
            lambda n: 3 * datasets.make_circles(n, noise=0.08, factor=0.5, random_state=0)[0],
        ),
        (
            targets.SwissRoll(),
            lambda n: datasets.make_swiss_roll(n, noise=1.0, random_state=0)[0][:, [0, 2]] / 5,
        ),
    ],
    ids=["moons", "moons-scaled", "circles", "swissroll"],
)
def test_samples_of_scikit_learn_have_the_entropy_as_their_surprise(target, samples) -> None:
    surprise = -target.log_prob(torch.from_numpy(samples(50_000)))
    error = surprise.std() / math.sqrt(len(surprise))
    assert abs(surprise.mean() - target.entropy) < 4 * error


@pytest.mark.parametrize("x", [(0.3, -1.2), (-2.0, 0.5), (3.0, 1.0), (4.5, -2.5), (-3.5, 3.0)])
def test_two_spirals_by_adaptive_quadrature(x: tuple[float, float]) -> None:
    def spread(v: float) -> float:
        # In the lower tail, where the difference keeps its digits.
        near, far = -abs(v - 1 / 12) + 1 / 12, -abs(v - 1 / 12) - 1 / 12
        return 6 * (special.ndtr(near / 0.1) - special.ndtr(far / 0.1))

    def integrand(m: float, s: int) -> float:
        first, second = s * x[0] + m * np.cos(m) / 3, s * x[1] - m * np.sin(m) / 3
        return m / (9 * np.pi**2) * spread(first) * spread(second)

    # In pieces, so that no adaptive rule overlooks the few that count.
    pieces = np.linspace(0, 3 * np.pi, 61)
    density = sum(
        integrate.quad(integrand, low, high, args=(s,), epsabs=0, epsrel=1e-10)[0]
        for s in (-1, 1)
        for low, high in pairwise(pieces)
    )
    log_p = targets.TwoSpirals().log_prob(torch.tensor([x], dtype=torch.float64))
    assert float(log_p) == pytest.approx(math.log(density), rel=1e-5)


def test_two_spirals_continue_smoothly_into_the_thin() -> None:
    x = torch.stack((torch.linspace(3.0, 8.0, 4001), torch.zeros(4001)), 1)
    for dtype in (torch.float32, torch.float64):
        log_p = targets.TwoSpirals().log_prob(x.to(dtype))
        assert log_p[0] > -60 > log_p[-1]
        assert log_p.diff(n=2).abs().max() < 1e-2


def brute_force_pinwheel(target: targets.Pinwheel, x: Array) -> float:
    """The sum over all roots f0 of f0 = rho cos(psi - theta_k(f0)), found on a fine grid."""
    rho, psi = np.hypot(*x) / 2, -np.arctan2(x[1], x[0])
    # Roots crowd at the ends, where the angle of (f0, f1) is the better variable.
    f0 = rho * -np.cos(np.linspace(0, np.pi, 20_001))
    total = 0.0
    for k in range(target.arms):

        def offset(f: Array | float, k: int = k) -> Array | float:
            theta = 2 * np.pi * k / target.arms + target.rate * np.exp(f)
            return f - rho * np.cos(psi - theta)

        values = offset(f0)
        for i in np.nonzero(np.sign(values[:-1]) != np.sign(values[1:]))[0]:
            low, high = f0[i], f0[i + 1]
            for _ in range(60):
                middle = (low + high) / 2
                if np.sign(offset(middle)) == np.sign(values[i]):
                    low = middle
                else:
                    high = middle
            theta = 2 * np.pi * k / target.arms + target.rate * np.exp(low)
            f1 = rho * np.sin(theta - psi)
            density = stats.norm.pdf(low, 1, target.radial) * stats.norm.pdf(
                f1, 0, target.tangential
            )
            total += density / abs(1 + target.rate * np.exp(low) * f1)
    return math.log(total / (4 * target.arms))


@pytest.mark.parametrize(
    "target",
    [
        targets.Pinwheel(),
        targets.Pinwheel(arms=3, radial=0.2, tangential=0.3, rate=0.6),
        targets.Pinwheel(arms=1, radial=0.5, rate=1.0),
        targets.Pinwheel(arms=2, rate=0.0),
    ],
    ids=["usual", "folded", "one arm", "straight"],
)
def test_pinwheel_sums_over_all_roots(target: targets.Pinwheel) -> None:
    x = torch.cat((target.sample(40).double(), random_points(20)))
    expected = [brute_force_pinwheel(target, row) for row in x.numpy()]
    np.testing.assert_allclose(target.log_prob(x).numpy(), expected, rtol=1e-4, atol=1e-4)


def test_pinwheel_far_out_is_the_mean_over_the_angle() -> None:
    target = targets.Pinwheel()
    angle = torch.arange(5000, dtype=torch.float64) * 2 * math.pi / 5000
    for radius in (11.5, 11.7):
        x = radius * torch.stack((angle.cos(), angle.sin()), 1)
        log_p = target.log_prob(x)
        mean = torch.logsumexp(log_p, 0) - math.log(len(x))
        f = radius / 2 * torch.stack((angle.cos(), angle.sin()), 1)
        log_polar = -0.5 * (((f[:, 0] - 1) / 0.3).square() + (f[:, 1] / 0.1).square())
        expected = torch.logsumexp(log_polar, 0) - math.log(len(x) * 4 * 2 * math.pi * 0.03)
        assert float(mean) == pytest.approx(float(expected), abs=0.1)


@pytest.mark.parametrize(
    ("target", "ridge", "noise"),
    [
        (targets.Crescent(), lambda x: x**2 / 2 - 1, math.exp(-1)),
        (targets.Cubed(), lambda x: 0.2 * x**3, 1.0),
        (targets.Sine(), lambda x: np.sin(5 * x), math.exp(-1)),
        (targets.Abs(), lambda x: np.abs(x) - 1, math.exp(-1.5)),
        (targets.Sign(), lambda x: np.sign(x) + x, math.exp(-1.5)),
    ],
    ids=["crescent", "cubed", "sine", "abs", "sign"],
)
def test_ridges(target, ridge, noise: float) -> None:
    x = random_points(300)
    x1, x2 = x.numpy().T
    expected = stats.norm.logpdf(x1) + stats.norm.logpdf(x2, ridge(x1), noise)
    assert_log_prob(target, x, expected)


def test_banana() -> None:
    x = random_points(300)
    x1, x2 = x.numpy().T
    expected = stats.norm.logpdf(x1, 0, 2) + stats.norm.logpdf(x2, 0.25 * (x1**2 - 4), 1)
    assert_log_prob(targets.Banana(), x, expected)


@pytest.mark.parametrize("dim", [1, 2, 5])
def test_gaussian(dim: int) -> None:
    target = targets.Gaussian(dim)
    order = np.arange(dim)
    covariance = 0.8 ** np.abs(order[:, None] - order)
    x = torch.randn(200, dim, dtype=torch.float64)
    known = stats.multivariate_normal(np.zeros(dim), covariance)
    assert_log_prob(target, x, known.logpdf(x.numpy()).reshape(-1))
    assert target.entropy == pytest.approx(known.entropy())
    drawn = np.cov(target.sample(100_000).numpy().T)
    np.testing.assert_allclose(drawn, covariance.squeeze(), atol=0.02)


@pytest.mark.parametrize("dim", [2, 7])
def test_funnel(dim: int) -> None:
    target = targets.Funnel(dim)
    x = target.sample(100_000).double()
    v = x[:, 0].numpy()
    expected = stats.norm.logpdf(v, 0, 3) + sum(
        stats.norm.logpdf(x[:, i].numpy(), 0, np.exp(v / 2)) for i in range(1, dim)
    )
    assert_log_prob(target, x, expected)
    error = expected.std() / math.sqrt(len(x))
    assert abs(-expected.mean() - target.entropy) < 4 * error
    assert stats.kstest(v, stats.norm(0, 3).cdf).pvalue > 1e-4
    standard = x[:, -1].numpy() / np.exp(v / 2)
    assert stats.kstest(standard, stats.norm.cdf).pvalue > 1e-4


def test_funnel_where_its_neck_underflows() -> None:
    x = torch.tensor([[-1e6, 0.0], [-1e6, 1.0], [1e6, 1e6], [0.0, 0.0]], requires_grad=True)
    log_p = targets.Funnel(2).log_prob(x)
    assert log_p[[0, 2, 3]].isfinite().all()
    assert log_p[1] == -math.inf
    (gradient,) = torch.autograd.grad(log_p[[0, 3]].sum(), x)
    assert gradient[[0, 3]].isfinite().all()


@pytest.mark.parametrize(
    ("energy", "normaliser"),
    [
        (targets.U1, 6.53715),
        (targets.U2, 8 * math.sqrt(2 * math.pi) * 0.4),
        (targets.U3, 8 * math.sqrt(2 * math.pi) * 0.7),
        (targets.U4, 8 * math.sqrt(2 * math.pi) * 0.75),
        (targets.DoubleWell, 11784.509 * math.sqrt(2 * math.pi)),
        (targets.MuellerBrown, math.exp(11.7296)),
    ],
)
def test_normalisers_of_the_energies(energy: type[targets.Energy], normaliser: float) -> None:
    target = energy()
    assert target.log_z == pytest.approx(math.log(normaliser), abs=5e-5)
    x = target.sample(100).double()
    torch.testing.assert_close(target.log_prob(x), -target.energy(x) - target.log_z)


def test_energies_at_known_places() -> None:
    x = torch.tensor([[0.5, -1.0]], dtype=torch.float64)
    a, wave = math.sqrt(1.25), math.sin(math.pi / 4)
    sides = math.exp(-2.25 / 0.72) + math.exp(-6.25 / 0.72)
    lower = wave - 3 * math.exp(-0.25 / 0.72)
    fork = wave - 3 / (1 + math.exp(0.5 / 0.3))

    def n(v: float, s: float) -> float:
        return math.exp(-(v**2) / (2 * s**2))

    known = {
        targets.U1: (a - 2) ** 2 / 0.32 - math.log(sides),
        targets.U2: -math.log(n(-1 - wave, 0.4)),
        targets.U3: -math.log(n(-1 - wave, 0.35) + n(-1 - lower, 0.35)),
        targets.U4: -math.log(n(-1 - wave, 0.4) + n(-1 - fork, 0.35)),
        targets.DoubleWell: 0.0625 - 1.5 - 0.25 + 0.5,
    }
    for energy, value in known.items():
        assert float(energy().energy(x)) == pytest.approx(value)
    # The deepest minimum of the Mueller-Brown potential, as it is published.
    minimum = torch.tensor([[-0.558, 1.442]], dtype=torch.float64)
    assert float(targets.MuellerBrown().energy(minimum)) == pytest.approx(-14.670, abs=1e-3)


def test_the_fork_of_u4_is_as_heavy_as_its_valleys_are_wide() -> None:
    z1, z2 = targets.U4().sample(400_000, generator=torch.Generator().manual_seed(0)).T
    lower = (z2 < torch.sin(math.pi / 2 * z1) - 1.5)[z1 > 3].double()
    assert abs(lower.mean() - 0.35 / 0.75) < 4 * lower.std() / math.sqrt(len(lower))


@pytest.mark.parametrize("energy", [targets.U2, targets.U3, targets.U4])
def test_a_wall_leads_back_to_the_support(energy: type[targets.Energy]) -> None:
    target = energy()
    x = torch.tensor([[4.5, 0.3], [-9.0, 1.0]], dtype=torch.float64, requires_grad=True)
    assert (target.log_prob(x) == -math.inf).all()
    (force,) = torch.autograd.grad(target.energy(x).sum(), x)
    assert force[0, 0] > 40
    assert force[1, 0] < -40
    # What a model that learns the energy leaves outside: 2 / (50 * 8) of its mass.
    z1 = torch.linspace(-5, 5, 4001, dtype=torch.float64)
    z2 = torch.linspace(-8, 8, 801, dtype=torch.float64)
    density = (-target.energy(torch.cartesian_prod(z1, z2)) - target.log_z).exp()
    mass = density.view(4001, 801).sum(1) * (z1[1] - z1[0]) * (z2[1] - z2[0])
    assert mass[z1.abs() > 4].sum() == pytest.approx(1 / 200, rel=0.1)


def test_the_energy_of_mueller_brown_is_finite_wherever_a_flow_may_go() -> None:
    x = torch.tensor([[30.0, -40.0], [-1e4, 1e4], [8.0, 8.0]], requires_grad=True)
    energy = targets.MuellerBrown().energy(x)
    (force,) = torch.autograd.grad(energy.sum(), x)
    assert (energy > 1e6).all()
    assert energy.isfinite().all()
    assert force.isfinite().all()
    assert ((force * x).sum(1) > 0).all()
