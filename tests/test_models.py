"""Properties that every family has."""

from __future__ import annotations

import math

import pytest
import torch
from properties import AT_LEAST_TWO, COSTLY, MODELS, disturb, jacobian

from genlab.bijections import Standardise
from genlab.models import Flow

CONTEXTS = {"none": {}, "vector": {"context_dim": 3}, "label": {"labels": 4}}
DTYPES = [torch.float32, torch.float64]


def make(name: str, dim: int, dtype: torch.dtype = torch.float32, context: str = "none") -> Flow:
    model = MODELS[name](dim, **CONTEXTS[context])
    model.preprocessing = Standardise((dim,))
    model.initialise(2 * torch.randn(500, dim) + 1, rows(500, context))
    return disturb(model, 0.15).to(dtype).eval()


def rows(n: int, context: str, dtype: torch.dtype = torch.float32) -> torch.Tensor | None:
    if context == "vector":
        return torch.randn(n, 3, dtype=dtype)
    return torch.randint(4, (n,)) if context == "label" else None


@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("dim", [1, 2, 5, 16])
def test_shapes_and_types(name: str, dim: int, context: str, dtype: torch.dtype) -> None:
    if dim == 1 and name in AT_LEAST_TWO:
        return
    model = make(name, dim, dtype, context)
    x = model.sample(20, rows(20, context, dtype))
    log_prob = model.log_prob(x, rows(20, context, dtype))
    assert x.shape == (20, dim)
    assert log_prob.shape == (20,)
    assert x.dtype == log_prob.dtype == dtype
    assert log_prob.isfinite().all()


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("dim", [1, 2, 5, 16])
def test_log_prob_is_the_change_of_variables_by_the_autograd_jacobian(
    name: str, dim: int, dtype: torch.dtype
) -> None:
    if dim == 1 and name in AT_LEAST_TWO:
        return
    model = make(name, dim, dtype)
    x = model.sample(10)
    matrix = jacobian(lambda x: model.bijection(x)[0], x)
    z, _ = model.bijection(x)
    normal = -0.5 * z.square().sum(1) - dim / 2 * math.log(2 * math.pi)
    truth = normal + torch.linalg.slogdet(matrix).logabsdet
    exact = 1e-6 if name in COSTLY else 1e-9
    tolerance = 1e-3 if dtype == torch.float32 else exact
    torch.testing.assert_close(model.log_prob(x), truth, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("context", CONTEXTS)
def test_the_density_integrates_to_one(name: str, context: str) -> None:
    model = make(name, 2, torch.float64, context)
    row = rows(1, context, torch.float64)
    with torch.no_grad():
        x = model.sample(4000, row)
    low, high = x.min(0).values - 4, x.max(0).values + 4
    side = 100 if name in COSTLY else 800
    axes = [
        torch.linspace(float(low[i]), float(high[i]), side, dtype=torch.float64) for i in (0, 1)
    ]
    grid = torch.cartesian_prod(*axes)
    cell = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
    with torch.no_grad():
        total = model.log_prob(grid, row).exp().sum() * cell
    assert total.item() == pytest.approx(1, abs=5e-3)


def test_samples_follow_the_density(name: str) -> None:
    model = make(name, 2, torch.float64)
    n = 40_000
    with torch.no_grad():
        x = model.sample(n, generator=torch.Generator().manual_seed(1))
        centre, spread = x.mean(0), x.std(0)
        # A random test function, by samples and by quadrature against the density.
        side = 150 if name in COSTLY else 1000
        axes = [torch.linspace(-8, 8, side, dtype=torch.float64) for _ in range(2)]
        grid = centre + spread * torch.cartesian_prod(*axes)
        density = model.log_prob(grid).exp()
        values = [
            torch.cos((y - centre) / spread @ torch.tensor([1.0, 0.7]).double()) for y in (x, grid)
        ]
    truth = (density * values[1]).sum() / density.sum()
    error = values[0].std() / math.sqrt(n)
    assert abs(values[0].mean() - truth) < 4 * error


@pytest.mark.parametrize("dtype", DTYPES, ids=["f32", "f64"])
@pytest.mark.parametrize("context", CONTEXTS)
def test_every_parameter_gets_a_finite_gradient(
    name: str, context: str, dtype: torch.dtype
) -> None:
    model = make(name, 5, dtype, context)
    x = torch.cat([torch.randn(30, 5, dtype=dtype), torch.full((2, 5), 1e4, dtype=dtype)])
    log_prob = model.log_prob(x, rows(32, context, dtype))
    log_prob.mean().backward()
    assert log_prob.isfinite().all()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), parameter_name


@pytest.mark.parametrize("context", ["vector", "label"])
def test_the_context_changes_the_answer(name: str, context: str) -> None:
    model = make(name, 2, context=context)
    x = torch.randn(6, 2)
    first, second = (
        (torch.tensor([0]), torch.tensor([3]))
        if context == "label"
        else (torch.zeros(3), torch.ones(3))
    )
    assert (model.log_prob(x, first) != model.log_prob(x, second)).all()
    both = torch.stack([first, second]).reshape(2, -1)[[0, 0, 0, 1, 1, 1]]
    many = model.log_prob(x, both.squeeze(1) if context == "label" else both)
    torch.testing.assert_close(many[:3], model.log_prob(x[:3], first))
    torch.testing.assert_close(many[3:], model.log_prob(x[3:], second))
    a, b = (
        model.sample(5, row, generator=torch.Generator().manual_seed(0)) for row in (first, second)
    )
    assert not torch.equal(a, b)


@pytest.mark.parametrize("context", CONTEXTS)
def test_state_dict_round_trip(name: str, context: str) -> None:
    model, other = make(name, 5, context=context), MODELS[name](5, **CONTEXTS[context])
    other.preprocessing = Standardise((5,))
    other.load_state_dict(model.state_dict())
    x, c = torch.randn(10, 5), rows(10, context)
    torch.testing.assert_close(other.log_prob(x, c), model.log_prob(x, c), atol=0, rtol=0)


def test_sampling_is_a_function_of_the_generator(name: str) -> None:
    model = make(name, 2)
    before = torch.get_rng_state()
    a, b = (model.sample(9, generator=torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(a, b)
    assert torch.equal(before, torch.get_rng_state())


def test_the_log_density_is_in_data_units(name: str) -> None:
    model = make(name, 2, torch.float64)
    x = torch.randn(10, 2, dtype=torch.float64)
    whole = model.log_prob(x)
    assert model.preprocessing is not None
    inner, log_det = model.preprocessing(x)
    model.preprocessing = None
    torch.testing.assert_close(model.log_prob(inner) + log_det, whole)


def test_a_wrong_shape_or_context_is_named(name: str) -> None:
    model = make(name, 2, context="vector")
    with pytest.raises(ValueError, match=r"x: expected shape \[n, 2\], got \[4, 3\]"):
        model.log_prob(torch.zeros(4, 3), torch.zeros(3))
    with pytest.raises(ValueError, match="context: expected vectors"):
        model.log_prob(torch.zeros(4, 2))
    with pytest.raises(ValueError, match="context: expected vectors"):
        model.log_prob(torch.zeros(4, 2), torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"call model\.double\(\)"):
        model.log_prob(torch.zeros(4, 2).double(), torch.zeros(3))
    with pytest.raises(ValueError, match="unconditional"):
        make(name, 2).log_prob(torch.zeros(4, 2), torch.zeros(4, 2))


def test_nice_changes_volume_by_a_constant_only() -> None:
    _, log_det = make("nice", 5).layers(torch.randn(50, 5))
    assert (log_det == log_det[0]).all()
