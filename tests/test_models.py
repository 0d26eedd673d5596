"""Properties that every family has."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator

import pytest
import torch
from properties import (
    AT_LEAST_TWO,
    ESTIMATES,
    FAMILIES,
    FIELD_MODELS,
    FIELD_SHAPE,
    IMAGE_MODELS,
    IMAGE_SHAPE,
    MODELS,
    disturb,
    jacobian,
    spoilt,
)
from torch.func import grad, jvp

from genlab.bijections import ActNorm, AdaptiveSolver, Compose, Standardise
from genlab.densities import Density, StandardLogistic
from genlab.errors import UserError
from genlab.models import ContinuousFlow, Flow
from genlab.nn import wrap_columns

CONTEXTS = {"none": {}, "vector": {"context_dim": 3}, "label": {"labels": 4}}
TYPES = {"f32": torch.float32, "f64": torch.float64}
# Any context with any type of numbers, neighbours differing in both.
MEETINGS = [
    (context, kind)
    for start in (("f32", "f64"), ("f64", "f32"))
    for context, kind in zip(CONTEXTS, (*start, start[0]), strict=True)
]
# One family of each kind, in every context and type of numbers.
FULL = ("realnvp", "resflow", "vae", "gmm")
DIMS = (1, 2, 5, 16)
# Every family, on vectors and on images.
EVENTS = [
    *(pytest.param(make, 5, id=name) for name, make in MODELS.items()),
    *(pytest.param(make, IMAGE_SHAPE, id=f"image-{name}") for name, make in IMAGE_MODELS.items()),
    *(pytest.param(make, FIELD_SHAPE, id=f"field-{name}") for name, make in FIELD_MODELS.items()),
]
EXACT = [name for name in MODELS if name not in ESTIMATES]
REPARAMETRISED = [name for name in MODELS if MODELS[name](2).reparametrised]
ANGULAR = [name for name in MODELS if MODELS[name](2).circular]
FLOWS = [name for name in EXACT if isinstance(MODELS[name](2), Flow)]


def sizes() -> Iterator[tuple[str, int, int]]:
    """Each family in each number of coordinates, and a number that counts its turns."""
    for turn, name in enumerate(MODELS):
        for place, dim in enumerate(DIMS):
            if dim > 1 or name not in AT_LEAST_TWO:
                yield name, dim, turn + place


def in_every_size() -> Iterator[object]:
    """Each family in each number of coordinates, while contexts and types of numbers take turns."""
    for name, dim, turn in sizes():
        for context, kind in MEETINGS if name in FULL else MEETINGS[turn % 6 :][:1]:
            yield pytest.param(name, dim, context, TYPES[kind], id=f"{name}-{dim}-{context}-{kind}")


def flows_in_every_size() -> Iterator[object]:
    """The same of flows without a context."""
    for name, dim, turn in sizes():
        if name in FLOWS:
            for kind in TYPES if name in FULL else list(TYPES)[turn % 2 :][:1]:
                yield pytest.param(name, dim, TYPES[kind], id=f"{name}-{dim}-{kind}")


def in_every_context(names: Iterable[str]) -> Iterator[object]:
    """Each family in each context, while types of numbers take turns."""
    for turn, name in enumerate(names):
        for context, kind in MEETINGS if name in FULL else MEETINGS[turn % 2 * 3 :][:3]:
            yield pytest.param(name, context, TYPES[kind], id=f"{name}-{context}-{kind}")


def make(name: str, dim: int, dtype: torch.dtype = torch.float32, context: str = "none") -> Density:
    model = prepared(MODELS[name](dim, **CONTEXTS[context]))
    x = wrap_columns(2 * torch.randn(500, dim) + 1, model.circular)
    model.initialise(x, rows(500, context))
    return disturb(model, 0.15).to(dtype).eval()


def prepared(model: Density) -> Density:
    """The model behind the preprocessing that a run gives it; a box is one already."""
    if model.preprocessing is None:
        model.preprocessing = Standardise(model.event_shape, untouched=model.circular)
    return model


def rows(n: int, context: str, dtype: torch.dtype = torch.float32) -> torch.Tensor | None:
    if context == "vector":
        return torch.randn(n, 3, dtype=dtype)
    return torch.randint(4, (n,)) if context == "label" else None


def confined(model: Density) -> bool:
    """Whether the model lives in a box."""
    return isinstance(model, Flow) and model.confined


@torch.no_grad()
def masses(
    model: Density, low: torch.Tensor, high: torch.Tensor, row: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """A grid in preprocessed units, and the probability of the cell around each of its points."""
    # Splines want 3e-4 of the mass so fine; an ODE costs more, and is smooth; a bound is noisy.
    size = 60 if isinstance(model, ContinuousFlow) else 200 if model.likelihood == "exact" else 150
    if model.circular:
        # A whole turn, at whose ends no point counts twice.
        high = low.new_tensor([math.pi, math.pi]) * (1 - 1 / size)
        low = -high
    axes = [
        torch.linspace(float(low[i]), float(high[i]), size, dtype=torch.float64) for i in (0, 1)
    ]
    cell = (axes[0][1] - axes[0][0]) * (axes[1][1] - axes[1][0])
    grid = torch.cartesian_prod(*axes)
    found = []
    for z in grid.split(8192):  # what fits into the cache goes fast
        x, log_det = model.preprocessing.inverse(z)
        found.append((model.log_prob(x, row) + log_det).exp() * cell)
    return grid, torch.cat(found)


def test_every_family_is_walked_over() -> None:
    assert set(FAMILIES) <= set(MODELS)
    assert set(FAMILIES) <= set(FIELD_MODELS)


@pytest.fixture(params=MODELS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=EXACT)
def exact(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.mark.parametrize(("name", "dim", "context", "dtype"), [*in_every_size()])
def test_shapes_and_types(name: str, dim: int, context: str, dtype: torch.dtype) -> None:
    model = make(name, dim, dtype, context)
    x = model.sample(20, rows(20, context, dtype))
    log_prob = model.log_prob(x, rows(20, context, dtype))
    assert x.shape == (20, dim)
    assert log_prob.shape == (20,)
    assert x.dtype == log_prob.dtype == dtype
    assert log_prob.isfinite().all()


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("name", MODELS)
def test_half_precision_gives_finite_answers(name: str, context: str) -> None:
    model = make(name, 5, torch.bfloat16, context)
    with torch.no_grad():
        x = model.sample(20, rows(20, context, torch.bfloat16))
        log_prob = model.log_prob(x, rows(20, context, torch.bfloat16))
    assert x.dtype == torch.bfloat16
    assert x.isfinite().all()
    assert log_prob.isfinite().all()


@pytest.mark.parametrize(("name", "dim", "dtype"), [*flows_in_every_size()])
def test_log_prob_is_the_change_of_variables_by_the_autograd_jacobian(
    name: str, dim: int, dtype: torch.dtype
) -> None:
    model = make(name, dim, dtype)
    x = 2 * torch.randn(10, dim, dtype=dtype) + 1
    matrix = jacobian(lambda x: model.bijection(x)[0], x)
    z, _ = model.bijection(x)
    if isinstance(model.base, StandardLogistic):
        base = -(z + 2 * torch.nn.functional.softplus(-z)).sum(1)
    elif model.circular:
        base = model.base.log_prob(z)  # known by its own tests
    else:
        base = -0.5 * z.square().sum(1) - dim / 2 * math.log(2 * math.pi)
    truth = base + torch.linalg.slogdet(matrix).logabsdet
    exact = 1e-6 if isinstance(model, ContinuousFlow) else 1e-9
    tolerance = 1e-3 if dtype == torch.float32 else exact
    torch.testing.assert_close(model.log_prob(x), truth, atol=tolerance, rtol=tolerance)


@pytest.mark.parametrize("context", CONTEXTS)
def test_the_density_integrates_to_one(exact: str, context: str) -> None:
    model = make(exact, 2, torch.float64, context)
    row = rows(1, context, torch.float64)
    with torch.no_grad():
        z, _ = model.preprocessing(model.sample(4000, row))
    _, mass = masses(model, z.min(0).values - 4, z.max(0).values + 4, row)
    assert mass.sum().item() == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("name", ANGULAR)
def test_a_density_of_angles_is_periodic_and_smooth_across_the_cut(name: str) -> None:
    model = make(name, 5, torch.float64)
    x = 2 * torch.randn(12, 5, dtype=torch.float64)
    turned = x.clone()
    turned[:, list(model.circular)] += 2 * math.pi * torch.tensor([1.0, -2.0, 0.0]).double()
    log_prob = model.log_prob(x)
    if model.likelihood == "exact":  # else its noise is seeded by the digits of a point
        torch.testing.assert_close(model.log_prob(turned), log_prob, atol=1e-9, rtol=1e-9)
    values, slopes = [], []
    for edge in (-math.pi, -math.pi + 1e-9, math.pi - 1e-9, math.pi):
        x = x.detach().clone()
        x[:, 1] = edge
        x.requires_grad_()
        log_prob = model.log_prob(x)
        (slope,) = torch.autograd.grad(log_prob.sum(), x)
        values.append(log_prob.detach())
        slopes.append(slope)
    for value, slope in zip(values[1:], slopes[1:], strict=True):
        assert slope.isfinite().all()
        if model.likelihood == "exact":
            torch.testing.assert_close(value, values[0], atol=1e-6, rtol=1e-6)
        # A spline's second derivative jumps at its knots.
        if model.likelihood == "exact" and "nsf" not in name:
            torch.testing.assert_close(slope, slopes[0], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ANGULAR)
def test_samples_of_angles_lie_in_one_turn(name: str) -> None:
    model = make(name, 5)
    angles = list(model.circular)
    for x in (model.sample(200), model.sample_with_log_prob(200)[0]):
        assert (x[:, angles] >= -math.pi).all()
        assert (x[:, angles] <= math.pi).all()
        assert (x[:, 3:].abs() > math.pi).any()
    if isinstance(model, Flow):
        model, x = model.double(), x.detach().double()
        back = model.bijection.generate(model.bijection(x)[0])
        torch.testing.assert_close(
            wrap_columns(back - x, angles), torch.zeros_like(x), atol=1e-5, rtol=0
        )


def test_samples_follow_the_density(exact: str) -> None:
    model = make(exact, 2, torch.float64)
    n = 40_000
    with torch.no_grad():
        z, _ = model.preprocessing(model.sample(n, generator=torch.Generator().manual_seed(1)))
    centre, spread = z.mean(0), z.std(0)
    # A test function, by samples and by quadrature against the density.
    grid, mass = masses(model, centre - 8 * spread, centre + 8 * spread)
    direction = torch.tensor([1.0, 0.7]).double()
    sampled, exact_values = (torch.cos((y - centre) / spread @ direction) for y in (z, grid))
    truth = (mass * exact_values).sum() / mass.sum()
    error = sampled.std() / math.sqrt(n)
    assert abs(sampled.mean() - truth) < 4 * error


@pytest.mark.parametrize(("name", "context", "dtype"), [*in_every_context(EXACT)])
def test_samples_come_with_their_log_densities(name: str, context: str, dtype: torch.dtype) -> None:
    model = make(name, 5, dtype, context)
    c = rows(40, context, dtype)
    x, log_prob = model.sample_with_log_prob(40, c, generator=torch.Generator().manual_seed(2))
    alone = model.sample(40, c, generator=torch.Generator().manual_seed(2))
    tolerance = 2e-3 if dtype == torch.float32 else 1e-8
    torch.testing.assert_close(x, alone, atol=tolerance, rtol=tolerance)
    if model.likelihood == "exact":
        again = model.log_prob(x, c)
        # At the walls of a box no number tells a point from its neighbours in the latent.
        sure = (x - 1).abs().amax(1) < 10.9 if confined(model) else slice(None)
        torch.testing.assert_close(log_prob[sure], again[sure], atol=tolerance, rtol=tolerance)
    if model.reparametrised:
        (x.square().sum() + log_prob.sum()).backward()
        for parameter_name, parameter in model.named_parameters():
            assert parameter.grad is not None, parameter_name
            assert parameter.grad.isfinite().all(), parameter_name
            assert parameter.grad.any(), parameter_name


@pytest.mark.parametrize(("name", "context", "dtype"), [*in_every_context(MODELS)])
def test_every_parameter_gets_a_finite_gradient(
    name: str, context: str, dtype: torch.dtype
) -> None:
    model = make(name, 5, dtype, context)
    x = torch.cat([torch.randn(30, 5, dtype=dtype), torch.full((2, 5), 1e4, dtype=dtype)])
    log_prob = model.log_prob(x, rows(32, context, dtype))
    log_prob.mean().backward()
    assert log_prob[:30].isfinite().all()
    # Far out there is little density, or none outside a box.
    assert (log_prob[30:].isneginf() if confined(model) else log_prob[30:].isfinite()).all()
    for parameter_name, parameter in model.named_parameters():
        assert parameter.grad is not None, parameter_name
        assert parameter.grad.isfinite().all(), parameter_name
        assert parameter.grad.any(), parameter_name


@pytest.mark.parametrize("context", ["vector", "label"])
@pytest.mark.parametrize("name", MODELS)
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
    if name not in ESTIMATES:  # which depend on the batch
        many = model.log_prob(x, both.squeeze(1) if context == "label" else both)
        torch.testing.assert_close(many[:3], model.log_prob(x[:3], first))
        torch.testing.assert_close(many[3:], model.log_prob(x[3:], second))
    a, b = (
        model.sample(5, row, generator=torch.Generator().manual_seed(0)) for row in (first, second)
    )
    assert not torch.equal(a, b)


@pytest.mark.parametrize("context", CONTEXTS)
@pytest.mark.parametrize("name", MODELS)
def test_state_dict_round_trip(name: str, context: str) -> None:
    model, other = make(name, 5, context=context), prepared(MODELS[name](5, **CONTEXTS[context]))
    other.load_state_dict(model.state_dict())
    other.eval()
    x, c = torch.randn(10, 5), rows(10, context)
    torch.testing.assert_close(other.log_prob(x, c), model.log_prob(x, c), atol=0, rtol=0)


def test_sampling_is_a_function_of_the_generator(name: str) -> None:
    model = make(name, 2)
    before = torch.get_rng_state()
    a, b = (model.sample(9, generator=torch.Generator().manual_seed(7)) for _ in range(2))
    assert torch.equal(a, b)
    assert torch.equal(before, torch.get_rng_state())


def seeded() -> torch.Generator:
    return torch.Generator().manual_seed(7)


def test_a_sample_has_no_graph_and_rsample_draws_the_same_with_one(name: str) -> None:
    model = make(name, 2, torch.float64)
    x = model.sample(9, generator=seeded())
    assert not x.requires_grad
    assert not x.is_inference()  # so that it may be trained on
    model.log_prob(x).sum().backward()
    assert model.sample_with_log_prob(9, generator=seeded())[0].requires_grad
    if model.reparametrised:
        drawn = model.rsample(9, generator=seeded())
        assert drawn.requires_grad
        # A fixed point that shall have a gradient takes one step more.
        tolerance = 1e-10 if name.startswith("resflow") else 0
        torch.testing.assert_close(drawn, x, atol=tolerance, rtol=tolerance)
    else:
        family = type(model).__name__
        with pytest.raises(NotImplementedError, match=f"{family} has no rsample.*\\nuse sample"):
            model.rsample(9)


class Gaussian(Flow):
    """A base that is trained."""

    def __init__(self, dim: int) -> None:
        super().__init__(dim)
        self.layers = Compose([ActNorm(dim)])


@pytest.mark.parametrize("name", REPARAMETRISED)
def test_the_gradient_of_a_mean_over_samples_is_that_of_finite_differences(name: str) -> None:
    """At fixed noise, in the parameters of the layers and of the base, and in the context."""
    model = make(name, 3, context="vector")
    assert isinstance(model, Flow)
    model.base = disturb(Gaussian(3))
    model.double()
    context = rows(8, "vector", torch.float64).requires_grad_()

    def mean() -> torch.Tensor:
        return model.rsample(8, context, generator=seeded()).tanh().square().sum(1).mean()

    @torch.no_grad()
    def mean_at(moved: list[tuple[torch.Tensor, torch.Tensor]], step: float) -> torch.Tensor:
        for value, along in moved:
            value.add_(along, alpha=step)
        there = mean()
        for value, along in moved:
            value.sub_(along, alpha=step)
        return there

    mean().backward()
    # The direction in which a norm grows is known to 1e-4.
    tolerance = 2e-4 if name.startswith("resflow") else 1e-6
    for values in (model.layers.parameters(), model.base.parameters(), [context]):
        moved = [(value, torch.randn_like(value)) for value in values]
        slope = sum((value.grad * along).sum() for value, along in moved)
        truth = (mean_at(moved, 1e-5) - mean_at(moved, -1e-5)) / 2e-5
        assert slope.abs() > 1e-3
        torch.testing.assert_close(slope, truth, atol=tolerance, rtol=tolerance)


# One of each family, and of each kind of support.
AS_DISTRIBUTIONS = [
    pytest.param(name, context, id=f"{name}-{context}")
    for name in (*FAMILIES, "krnet-box", "torus-nsf", "torus-gmm")
    for context in CONTEXTS
    # Where an ODE is solved for each answer, one context stands for all.
    if context == "vector" or name not in ("cnf", "flow-matching")
]


@pytest.mark.parametrize(("name", "context"), AS_DISTRIBUTIONS)
def test_the_contract_of_torch_distributions(name: str, context: str) -> None:
    """Shapes, broadcasting, `expand`, the support; arguments validated, and nothing warned of."""
    model, c = make(name, 2, context=context), rows(3, context)
    p = model.distribution(c, validate_args=True)
    batch = torch.Size([] if c is None else [3])
    assert (p.batch_shape, p.event_shape, p.has_rsample) == (batch, (2,), model.reparametrised)
    x = p.sample((4, 2))
    assert x.shape == (4, 2, *batch, 2)
    assert not x.requires_grad
    assert p.support.event_dim == 1
    assert p.support.check(x).all()
    log_prob = p.log_prob(x)
    assert log_prob.shape == (4, 2, *batch)
    many = None if c is None else c.expand(8, *c.shape).flatten(0, 1)
    if name not in ESTIMATES:
        torch.testing.assert_close(log_prob.flatten(), model.log_prob(x.flatten(0, -2), many))
    if c is None:
        wide = p.expand((5,))
        torch.testing.assert_close(wide.log_prob(x[0, 0]), log_prob[0, 0].expand(5))
    else:
        wide = p.expand((5, 3))
        torch.testing.assert_close(wide.log_prob(x[:1, 0]), log_prob[:1, 0].expand(5, 3))
    assert (wide.sample().shape, wide.sample((0,)).shape[0]) == ((*wide.batch_shape, 2), 0)
    if p.has_rsample:
        assert p.rsample((4,)).requires_grad
    else:
        with pytest.raises(NotImplementedError, match="has no rsample"):
            p.rsample()
    with pytest.raises(NotImplementedError):
        p.entropy()


def test_a_model_shows_its_parts_a_line_each(name: str) -> None:
    model = MODELS[name](2, labels=3)
    head, *parts = repr(model).splitlines()
    assert re.fullmatch(rf"{type(model).__name__}\(2, labels=3.*\), [\d,]+ parameters", head)
    assert 1 <= len(parts) < 24
    assert not re.search("0x|context_encoder|ModuleList", repr(model))


def test_a_flow_from_a_mixture_is_drawn_from_but_not_differentiated() -> None:
    model = MODELS["realnvp"](2)
    model.base = MODELS["gmm"](2)
    assert model.sample(9).shape == (9, 2)
    with pytest.raises(NotImplementedError, match="GMM has no rsample"):
        model.rsample(9)


def test_the_log_density_is_in_data_units(name: str) -> None:
    model = make(name, 2, torch.float64)
    x = torch.randn(10, 2, dtype=torch.float64)
    whole = model.log_prob(x)
    assert model.preprocessing is not None
    inner, log_det = model.preprocessing(x)
    model.preprocessing = None
    torch.testing.assert_close(model.log_prob(inner) + log_det, whole)


def test_no_rows_are_no_start_but_may_be_asked_for(name: str) -> None:
    model = MODELS[name](2)
    before = {key: value.clone() for key, value in model.state_dict().items()}
    for x, message in ((torch.empty(0, 2), "no rows"), (torch.full((3, 2), math.nan), "3 of")):
        with pytest.raises(UserError, match=f"data: .*{message}"):
            model.initialise(x)
        for key, value in model.state_dict().items():
            assert torch.equal(value, before[key])
    assert model.log_prob(torch.empty(0, 2)).shape == (0,)
    assert model.sample(0).shape == (0, 2)


@pytest.mark.parametrize("name", [name for name in MODELS if name not in ESTIMATES])
def test_a_row_does_not_depend_on_those_beside_it(name: str) -> None:
    """Neither its log-density nor its sample, beside easy rows, a hard one and broken ones."""
    model, some = make(name, 5, torch.float64), [*range(12)]
    if isinstance(model, ContinuousFlow):
        model.ode.solver = model.ode.evaluation = AdaptiveSolver(
            method="dopri8", rtol=1e-9, atol=1e-9
        )
        some = [0, 3, 5, 7, 11]  # of each kind, as each takes an ODE
    x = 2 * torch.randn(12, 5, dtype=torch.float64) + 1
    x[3], x[5], x[7, 2] = 1e4, math.nan, math.inf
    with torch.no_grad():
        log_prob = model.log_prob(x)
        alone = torch.cat([model.log_prob(row[None]) for row in x[some]])
        torch.testing.assert_close(log_prob[some], alone, atol=1e-7, rtol=1e-9, equal_nan=True)
        usable = [row for row in range(12) if row not in ((3, 5, 7) if confined(model) else (5, 7))]
        assert log_prob[usable].isfinite().all()
        assert not log_prob[[5, 7]].isfinite().any()
        if isinstance(model, Flow):
            z, _ = model.bijection(x[usable])
            alone = torch.cat([model.bijection.generate(row[None]) for row in z[: len(some)]])
            back = model.bijection.generate(z)[: len(alone)]
            torch.testing.assert_close(back, alone, atol=1e-7, rtol=1e-9)


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


def on(family: Callable[..., Density], event: int | tuple[int, ...], context: str) -> Density:
    """A model of whatever it works on, which has seen data and is not the identity."""
    model = prepared(family(event, **CONTEXTS[context]))
    model.initialise(torch.randn(60, *model.event_shape), rows(60, context))
    return disturb(model, 0.1).eval()


@pytest.mark.parametrize(("family", "event"), EVENTS)
@pytest.mark.parametrize("context", ["none", "label"])
def test_no_rows_have_no_densities_and_no_gradients(
    family: Callable[..., Density], event: int | tuple[int, ...], context: str
) -> None:
    model = on(family, event, context)
    x = torch.empty(0, *model.event_shape)
    for c in (rows(0, context), rows(1, context)):
        log_prob = model.log_prob(x, c)
        sample, of_sample = model.sample_with_log_prob(0, c)
        assert log_prob.shape == of_sample.shape == (0,)
        assert model.sample(0, c).shape == sample.shape == x.shape
    log_prob.sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is None or not parameter.grad.any(), name
    if isinstance(model, Flow):
        c = model.context_encoder(rows(0, context), 0, x.dtype)
        z = model.bijection.encode(x, c)
        assert z.shape == model.bijection.generate(z, c).shape == x.shape


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["f16", "bf16"])
@pytest.mark.parametrize(("family", "event"), EVENTS)
def test_log_densities_come_in_the_type_of_x(
    family: Callable[..., Density], event: int | tuple[int, ...], dtype: torch.dtype
) -> None:
    model = on(family, event, "none").to(dtype)
    with torch.no_grad():
        x, log_prob = model.sample_with_log_prob(3)
        assert model.log_prob(x).dtype == log_prob.dtype == x.dtype == dtype


@pytest.mark.parametrize(("family", "event"), EVENTS)
def test_built_without_memory_and_loaded_it_is_the_same(
    family: Callable[..., Density], event: int | tuple[int, ...]
) -> None:
    model = on(family, event, "label")
    with torch.device("meta"):
        assigned, filled = (prepared(family(event, labels=4)).eval() for _ in range(2))
    assigned.load_state_dict(model.state_dict(), assign=True)
    spoilt(filled.to_empty(device="cpu")).load_state_dict(model.state_dict())
    x, c = torch.randn(2, *model.event_shape), rows(2, "label")
    for other in (assigned, filled):
        assert torch.equal(other.log_prob(x, c), model.log_prob(x, c))
        a, b = (m.sample(2, c, generator=torch.Generator().manual_seed(0)) for m in (other, model))
        assert torch.equal(a, b)


def test_transforms_of_functions_see_what_autograd_sees(name: str) -> None:
    model, x = make(name, 2, torch.float64), torch.randn(3, 2, dtype=torch.float64)
    # The first call of a model, then a plain one, then the other mode: nothing that is kept from
    # one may be of another.
    gradient = grad(lambda x: model.log_prob(x).sum())(x)
    leaf = x.clone().requires_grad_()
    model.log_prob(leaf).sum().backward()
    torch.testing.assert_close(gradient, leaf.grad, atol=1e-9, rtol=1e-9)
    direction = torch.randn_like(x)
    with torch.no_grad():
        _, along = jvp(model.log_prob, (x,), (direction,))
    if name not in ESTIMATES:  # which have another estimate in forward mode
        truth = (gradient * direction).sum(1)
        torch.testing.assert_close(along, truth, atol=1e-9, rtol=1e-9)
