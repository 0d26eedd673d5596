"""Paths: their ends, their speeds, and conversions between predictions."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from genlab.nn import wrap, wrap_columns
from genlab.paths import CosinePath, GeodesicPath, LinearPath, Path, Times, VariancePreservingPath

PATHS: dict[str, Path] = {
    "linear": LinearPath(sigma_0=0.0),
    "linear-blurred": LinearPath(sigma_0=0.1),
    "cosine": CosinePath(),
    "variance_preserving": VariancePreservingPath(beta_min=0.1, beta_max=20.0),
}


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> Path:
    return PATHS[request.param]


def ends(n=50, *shape):
    x0, x1 = torch.randn(n, *shape), torch.randn(n, *shape)
    return x0.double(), x1.double()


def test_a_path_leads_from_the_source_to_the_data(path):
    x0, x1 = ends(5, 2)
    start, end = (path.sample(x0, x1, torch.full((5,), t).double()) for t in (0.0, 1.0))
    trace = math.exp(-20.1 / 4) if isinstance(path, VariancePreservingPath) else 0.0
    torch.testing.assert_close(
        start.x_t, trace * x1 + math.sqrt(1 - trace**2) * x0, atol=1e-12, rtol=0
    )
    blur = getattr(path, "sigma_0", 0.0)
    # The noise of the variance-preserving path vanishes like a root: 1e-3 is left at 1e-5.
    torch.testing.assert_close(end.x_t, x1 + blur * x0, atol=5e-3, rtol=0)


def test_the_speed_is_the_derivative_by_time(path):
    x0, x1 = ends(50, 3)
    t = 0.01 + 0.98 * torch.rand(50).double()
    _, speed = torch.func.jvp(lambda t: path.sample(x0, x1, t).x_t, (t,), (torch.ones_like(t),))
    torch.testing.assert_close(path.sample(x0, x1, t).dx_t, speed, atol=1e-10, rtol=1e-10)


def test_the_speed_is_the_conditional_velocity_of_the_gaussian_path(path):
    """``mu' + sigma'/sigma (x - mu)`` with ``mu = alpha x_1``."""
    x0, x1 = ends(50, 1)
    t = 0.05 + 0.9 * torch.rand(50).double()
    sample, c = path.sample(x0, x1, t), path.coefficients(t)
    mean = c.alpha[:, None] * x1
    velocity = c.d_alpha[:, None] * x1 + (c.d_sigma / c.sigma)[:, None] * (sample.x_t - mean)
    torch.testing.assert_close(sample.dx_t, velocity, atol=1e-10, rtol=1e-10)


def test_the_course_has_the_linear_path_with_this_velocity():
    """``x_1 + (s - 1)(x - t x_1) / (1 - t + s t)``, which at ``x_t`` is ``x_1 - (1 - s) x_0``."""
    s, (x0, x1), t = 0.1, ends(50, 2), torch.rand(50).double()
    sample = LinearPath(sigma_0=s).sample(x0, x1, t)
    column = t[:, None]
    formula = x1 + (s - 1) * (sample.x_t - column * x1) / (1 - column + s * column)
    torch.testing.assert_close(sample.dx_t, formula)
    torch.testing.assert_close(sample.dx_t, x1 - (1 - s) * x0)
    torch.testing.assert_close(sample.x_t, column * x1 + (1 - column + s * column) * x0)


@pytest.mark.parametrize("path", ["cosine", "variance_preserving"], indirect=True)
def test_variance_is_preserved(path):
    c = path.coefficients(torch.linspace(0, 1, 101).double())
    torch.testing.assert_close(c.alpha**2 + c.sigma**2, torch.ones(101).double())


@pytest.mark.parametrize("prediction", ["velocity", "x1", "noise"])
@pytest.mark.parametrize("shape", [(2,), (1, 3, 3)])
@pytest.mark.parametrize("many", [False, True], ids=["one-time", "times"])
def test_what_is_predicted_tells_the_velocity(path, prediction, shape, many):
    x0, x1 = ends(20, *shape)
    t = 0.05 + 0.9 * torch.rand(20 if many else ()).double()
    sample = path.sample(x0, x1, t.expand(20))
    target = sample.target(prediction)
    velocity = path.to_velocity(prediction, target, sample.x_t, t)
    torch.testing.assert_close(velocity, sample.dx_t, atol=1e-9, rtol=1e-9)


@pytest.mark.parametrize("prediction", ["x1", "noise"])
def test_conversions_are_finite_at_the_ends(path, prediction):
    x = torch.randn(2, 2).double()
    for t in (0.0, 1.0):
        assert path.to_velocity(prediction, x, x, torch.tensor(t).double()).isfinite().all()


@pytest.mark.parametrize(
    ("times", "law"),
    [
        (Times(distribution="uniform", mean=0.0, std=1.0), stats.uniform()),
        (Times(distribution="logit_normal", mean=1.0, std=1.3), None),
    ],
)
def test_times_follow_their_distribution(times, law):
    t = torch.cat([times.sample(16, torch.empty(0).double()) for _ in range(500)])
    assert t.dtype == torch.float64
    assert ((t >= 0) & (t <= 1)).all()
    values = t.numpy() if law else (torch.logit(t).numpy() - 1.0) / 1.3
    assert stats.kstest(values, (law or stats.norm()).cdf).pvalue > 1e-3


def test_times_cover_their_range_evenly_in_random_order():
    times = Times(distribution="uniform", mean=0.0, std=1.0)
    t = times.sample(100, torch.empty(0).double())
    gaps = t.sort().values.diff()
    torch.testing.assert_close(gaps, torch.full_like(gaps, 0.01))
    assert not torch.equal(t, t.sort().values)
    half = torch.empty(0).bfloat16()
    for distribution in ("uniform", "logit_normal"):
        t = Times(distribution=distribution, mean=0.0, std=1.0).sample(500, half)
        assert t.dtype == torch.bfloat16
        assert ((t >= 0) & (t <= 1)).all()
    seeded = [
        times.sample(5, torch.empty(0), generator=torch.Generator().manual_seed(1))
        for _ in range(2)
    ]
    assert torch.equal(*seeded)


def test_a_geodesic_takes_the_shorter_way_at_constant_speed():
    path, (x0, x1) = GeodesicPath(circular=[0, 2]), ends(50, 3)
    x0, x1 = wrap_columns(4 * x0, [0, 2]), wrap_columns(4 * x1, [0, 2])
    t = torch.rand(50).double()
    sample = path.sample(x0, x1, t)
    assert (sample.dx_t[:, [0, 2]].abs() <= math.pi).all()
    ahead = x0 + t[:, None] * sample.dx_t
    torch.testing.assert_close(wrap(sample.x_t - ahead)[:, [0, 2]], torch.zeros(50, 2).double())
    torch.testing.assert_close(sample.x_t[:, 1], (1 - t) * x0[:, 1] + t * x1[:, 1])
    end = path.sample(x0, x1, torch.ones(50).double())
    off = wrap_columns(end.x_t - x1, [0, 2])
    torch.testing.assert_close(off, torch.zeros_like(off), atol=1e-12, rtol=0)
    assert torch.equal(sample.target("x1"), x1)
    with pytest.raises(ValueError, match="no blur"):
        GeodesicPath(circular=[0], sigma_0=0.1)
