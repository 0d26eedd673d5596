"""What holds for every target with a density."""

from __future__ import annotations

import math
from functools import cache

import pytest
import torch
from scipy import stats
from targets.catalogue import CASES, Case, cell_masses, midpoints
from torch import Tensor

from genlab.targets import ExactTarget, exact

every = pytest.mark.parametrize("name", CASES)
smooth = pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.smooth])
N = 100_000


@cache
def target_of(name: str) -> ExactTarget:
    return CASES[name].make()


@cache
def masses_of(name: str) -> Tensor:
    return cell_masses(CASES[name], target_of(name).log_prob)


@cache
def samples_of(name: str) -> Tensor:
    return target_of(name).sample(N, generator=generator(3))


@cache
def log_prob_of_samples(name: str) -> Tensor:
    return target_of(name).log_prob(samples_of(name))


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def within_box(case: Case, x: Tensor) -> Tensor:
    left, right, bottom, top = case.box
    return (x[:, 0] >= left) & (x[:, 0] < right) & (x[:, 1] >= bottom) & (x[:, 1] < top)


@every
def test_the_density_integrates_to_one(name: str) -> None:
    assert masses_of(name).sum() == pytest.approx(1, abs=1e-4)


@every
def test_cross_entropy_of_own_samples_is_the_entropy(name: str) -> None:
    surprise = -log_prob_of_samples(name).double()
    error = surprise.std() / math.sqrt(N)
    assert abs(surprise.mean() - target_of(name).entropy) < 4 * error + 1e-6


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.entropy])
def test_entropy_is_the_tabled_one(name: str) -> None:
    assert target_of(name).entropy == pytest.approx(CASES[name].entropy, abs=1e-4)


@every
def test_samples_fall_into_cells_as_the_density_says(name: str) -> None:
    case, x = CASES[name], samples_of(name).double()
    left, right, bottom, top = case.box
    edges = [
        torch.linspace(left, right, case.cells[0] + 1, dtype=torch.float64),
        torch.linspace(bottom, top, case.cells[1] + 1, dtype=torch.float64),
    ]
    inside = within_box(case, x)
    counts = torch.histogramdd(x[inside], edges).hist.reshape(-1)
    expected = N * masses_of(name).reshape(-1)
    many = expected >= 10
    # Cells with few samples, and the rest of the plane, count as one.
    observed = torch.cat((counts[many], (N - counts[many].sum())[None]))
    predicted = torch.cat((expected[many], (N - expected[many].sum())[None].clamp(min=0)))
    chi_square = ((observed - predicted).square() / predicted.clamp(min=1)).sum()
    assert stats.chi2.sf(float(chi_square), int(many.sum())) > 1e-4


@every
def test_the_window_of_figures_holds_nearly_all(name: str) -> None:
    outside = samples_of(name).abs().amax(1) > target_of(name).bound
    assert outside.float().mean() < 2e-3


@every
def test_shapes_and_types(name: str) -> None:
    target = target_of(name)
    for n in (0, 1, 7):
        x = target.sample(n, generator=generator(0))
        assert (x.shape, x.dtype) == ((n, *target.event_shape), torch.float32)
        assert (target.log_prob(x).shape, target.log_prob(x).dtype) == ((n,), torch.float32)
        assert target.log_prob(x.double()).dtype == torch.float64
    assert target.has_density
    assert not list(target.parameters())
    assert not target.state_dict()


@every
def test_float32_agrees_with_float64(name: str) -> None:
    x, single = samples_of(name)[:2000], log_prob_of_samples(name)[:2000]
    torch.testing.assert_close(
        single.double(), target_of(name).log_prob(x.double()), rtol=1e-4, atol=1e-4
    )


@every
def test_wrong_shapes_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=r"x: expected shape \[n, 2\], got \[5, 3\]"):
        target_of(name).log_prob(torch.zeros(5, 3))


@every
def test_samples_repeat_by_generator(name: str) -> None:
    target = target_of(name)
    first = target.sample(500, generator=generator(1))
    assert torch.equal(first, target.sample(500, generator=generator(1)))
    assert not torch.equal(first, target.sample(500, generator=generator(2)))
    torch.manual_seed(5)
    free = target.sample(500)
    torch.manual_seed(5)
    assert torch.equal(free, target.sample(500))


@every
def test_rows_are_independent_of_how_many_are_worked_on(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    x, whole = samples_of(name)[:300], log_prob_of_samples(name)[:300]
    monkeypatch.setattr(exact, "WORKING_SET", 64 * target_of(name).terms)
    torch.testing.assert_close(target_of(name).log_prob(x), whole, rtol=1e-5, atol=1e-5)


@every
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_never_nan(name: str, dtype: torch.dtype) -> None:
    case = CASES[name]
    extremes = [0.0, 1e-30, 1.5, 3.0, -40.0, 1e3, 1e6, -1e6]
    x = torch.cartesian_prod(*[torch.tensor(extremes, dtype=dtype)] * 2)
    centres = [
        buffer.to(dtype)[:, :2] for buffer in target_of(name).buffers() if buffer.shape[1:] == (2,)
    ]
    log_p = target_of(name).log_prob(torch.cat((x, *centres)))
    assert not log_p.isnan().any()
    assert not (log_p == math.inf).any()
    if case.everywhere:
        assert log_p.isfinite().all()


@smooth
def test_gradients_are_those_of_finite_differences(name: str) -> None:
    x = samples_of(name)[:50].double().requires_grad_()
    (gradient,) = torch.autograd.grad(target_of(name).log_prob(x).sum(), x)
    step = 1e-6
    for i in range(2):
        shift = torch.zeros(2, dtype=torch.float64)
        shift[i] = step
        with torch.no_grad():
            rise = target_of(name).log_prob(x + shift) - target_of(name).log_prob(x - shift)
        torch.testing.assert_close(gradient[:, i], rise / (2 * step), rtol=1e-3, atol=1e-3)


@smooth
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gradients_are_finite_at_special_places(name: str, dtype: torch.dtype) -> None:
    places = [(0.0, 0.0), (1.0, 1.0), (-1.0, 1.0), (1.5, 0.0), (0.0, -3.0), (3.9, 3.9)]
    x = torch.cat((torch.tensor(places), samples_of(name)[:200])).to(dtype).requires_grad_()
    (gradient,) = torch.autograd.grad(target_of(name).log_prob(x).sum(), x)
    assert gradient.isfinite().all()


@every
def test_the_midpoint_rule_of_these_tests_covers_the_mass(name: str) -> None:
    assert within_box(CASES[name], samples_of(name)).float().mean() > 0.9999
    points, area = midpoints(CASES[name])
    left, right, bottom, top = CASES[name].box
    assert points[..., 0].numel() * area == pytest.approx((right - left) * (top - bottom))
