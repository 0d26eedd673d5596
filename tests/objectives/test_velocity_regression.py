"""Flow matching against the marginal velocity of a few points, which is known in closed form."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from properties import FINE, flow_matching
from torch.func import functional_call, jacrev, vmap

from genlab.batch import Batch
from genlab.bijections import FixedStepSolver, Standardise
from genlab.models import FlowMatching
from genlab.models.velocities import marked
from genlab.nn import ConcatSquashMLP, Velocity
from genlab.objectives import Independent, OptimalTransport, flow_matching_loss
from genlab.paths import CosinePath, LinearPath, Path, Times

POINTS = torch.tensor([[1.0, 0.5], [-1.0, 1.0], [0.2, -1.2]], dtype=torch.float64)
UNIFORM = Times(distribution="uniform", mean=0.0, std=1.0)
PATHS = {"linear": LinearPath(sigma_0=0.2), "cosine": CosinePath()}


class Marginal(Velocity):
    """``sum_k p(x_k | x, t) v(x | x_k, t)``: the mean speed of all paths from a normal source.

    Through a point lead the paths to each ``x_k`` with ``N(x; alpha x_k, sigma^2 I)`` as weight.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        # Carries the type that samples are drawn in.
        self.unused = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))

    def forward(self, x, t, context=None):
        c = self.path.coefficients(t.expand(len(x)))
        alpha, sigma, d_alpha, d_sigma = (k[:, None, None] for k in c)
        away = x[:, None] - alpha * POINTS
        weights = torch.softmax(-away.square().sum(2) / (2 * sigma[..., 0] ** 2), 1)
        speeds = d_alpha * POINTS + d_sigma / sigma * away
        return (weights[..., None] * speeds).sum(1) + 0 * self.unused


def make(path: Path, network: Callable[..., Velocity], **options: object) -> FlowMatching:
    return flow_matching(2, path=path, network=network, **options).double()


@pytest.fixture(params=PATHS)
def path(request: pytest.FixtureRequest) -> Path:
    return PATHS[request.param]


def data(n: int) -> torch.Tensor:
    return POINTS[torch.arange(n) % 3]


def test_the_gradients_of_the_marginal_and_the_conditional_loss_agree(path: Path) -> None:
    """Theorem 2 of Lipman et al.: per sample they differ, in the mean they do not."""
    torch.manual_seed(1)
    n = 20_000
    network = ConcatSquashMLP((2,), hidden=[5], activation="tanh", frequencies=1).double()
    torch.nn.init.normal_(network.last.weight)
    marginal = Marginal(path)
    x0, t = torch.randn(n, 2).double(), 0.99 * torch.rand(n).double()
    sample = path.sample(x0, data(n), t)
    true = marginal(sample.x_t, t).detach()
    parameters = {k: p.detach() for k, p in network.named_parameters()}

    def gap(parameters, x, t, conditional, true):
        """The difference of the two losses of one sample, up to what has no gradient."""
        v = functional_call(network, parameters, (x[None], t[None]))[0]
        return ((v - conditional) ** 2 - (v - true) ** 2).sum()

    gradients = vmap(jacrev(gap), in_dims=(None, 0, 0, 0, 0))(
        parameters, sample.x_t, t, sample.dx_t, true
    )
    for name, gradient in gradients.items():
        gradient = gradient.flatten(1)
        error = gradient.std(0) / n**0.5
        assert (error > 0).all(), name
        assert (gradient.mean(0).abs() <= 4 * error).all(), name


def test_the_loss_of_the_marginal_velocity_is_least(path: Path) -> None:
    """Against itself shifted, paired: the loss grows by the square of the shift."""

    class Shifted(Marginal):
        def forward(self, x, t, context=None):
            return super().forward(x, t) + 0.1

    batch = Batch(data(30_000))
    times = Times(distribution="logit_normal", mean=0.0, std=1.0)
    losses = [
        flow_matching_loss(
            make(path, lambda shape, context_dim, kind=kind: kind(path)),
            batch,
            pairing=Independent(),
            times=times,
            generator=torch.Generator().manual_seed(0),
        )
        for kind in (Marginal, Shifted)
    ]
    assert (losses[1] - losses[0]).item() == pytest.approx(0.01, abs=0.004)


def test_the_flow_of_the_marginal_velocity_ends_in_the_mixture(path: Path) -> None:
    """At ``t``, the samples and the density are those of ``sum_k N(alpha x_k, sigma^2 I) / 3``."""
    model = make(path, lambda shape, context_dim: Marginal(path), evaluation=FINE, solver=FINE)
    t = 0.8
    alpha, sigma, *_ = path.coefficients(torch.tensor(t).double())
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(torch.ones(3).double()),
        torch.distributions.MultivariateNormal(
            alpha * POINTS, (sigma**2 * torch.eye(2).double()).expand(3, 2, 2)
        ),
    )
    with torch.no_grad():
        x = mixture.sample((100,))
        z, log_det = model.ode.between(0.0, t)(x)
        torch.testing.assert_close(
            model.base.log_prob(z) + log_det, mixture.log_prob(x), atol=1e-6, rtol=1e-6
        )
        ode = model.ode.between(0.0, t)
        ode.solver = FixedStepSolver(method="rk4", steps=20)
        drawn = ode.generate(torch.randn(20_000, 2).double())
        test = torch.cos(drawn @ torch.tensor([1.0, 2.0]).double())
        truth = torch.cos(mixture.sample((200_000,)) @ torch.tensor([1.0, 2.0]).double())
    assert (test.mean() - truth.mean()).abs() < 4 * test.std() / 20_000**0.5


@pytest.mark.parametrize("prediction", ["velocity", "x1", "noise"])
def test_a_perfect_prediction_has_no_loss(path: Path, prediction: str) -> None:
    """With one data point everything is known: the velocity, the data, the noise."""

    class Known(Velocity):
        def __init__(self) -> None:
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))

        def forward(self, x, t, context=None):
            alpha, sigma, d_alpha, d_sigma = (
                k[:, None] for k in path.coefficients(t.expand(len(x)))
            )
            x0 = (x - alpha * POINTS[0]) / sigma
            right = {"velocity": d_alpha * POINTS[0] + d_sigma * x0, "noise": x0}
            return right.get(prediction, POINTS[0].expand_as(x)) + 0 * self.unused

    times = Times(distribution="logit_normal", mean=0.0, std=0.5)
    model = make(path, lambda shape, context_dim: Known(), prediction=prediction)
    batch = Batch(POINTS[:1].expand(50, 2))
    assert flow_matching_loss(model, batch, pairing=Independent(), times=times) < 1e-20
    solver = FixedStepSolver(method="midpoint", steps=200)
    ode = model.ode.between(0.0, 0.9)
    ode.solver = solver
    end = ode.generate(torch.zeros(1, 2).double())
    alpha = path.coefficients(torch.tensor(0.9).double()).alpha
    torch.testing.assert_close(end[0], alpha * POINTS[0], atol=1e-3, rtol=1e-3)


def test_weights_count_and_a_weight_of_zero_does_not() -> None:
    path = LinearPath(sigma_0=0.0)
    model = make(path, lambda shape, context_dim: Marginal(LinearPath(sigma_0=0.2)))
    x = torch.cat([torch.randn(4, 2).double(), torch.full((2, 2), 1e6).double()])
    weight = torch.tensor([1.0, 3, 1, 1, 0, 0], dtype=torch.float64)

    def loss(batch: Batch) -> torch.Tensor:
        fixed = torch.Generator().manual_seed(0)
        return flow_matching_loss(
            model, batch, pairing=Independent(), times=UNIFORM, generator=fixed
        )

    assert loss(Batch(x, weight=weight)) < 1e3
    assert torch.equal(
        loss(Batch(x[:4])), loss(Batch(x[:4], weight=torch.full((4,), 2.0).double()))
    )


def test_the_context_is_dropped_as_often_as_asked() -> None:
    seen = []

    class Spy(Velocity):
        def __init__(self) -> None:
            super().__init__()
            self.unused = torch.nn.Parameter(torch.zeros(1, dtype=torch.float64))

        def forward(self, x, t, context=None):
            seen.append(context)
            return x + 0 * self.unused

    model = make(LinearPath(sigma_0=0.0), lambda shape, context_dim: Spy(), labels=3)
    batch = Batch(torch.randn(4000, 2).double(), torch.randint(3, (4000,)))
    flow_matching_loss(
        model, batch, pairing=OptimalTransport(rows=100), times=UNIFORM, context_dropout=0.25
    )
    (rows,) = seen
    assert rows.shape == (4000, 4)
    shown = rows[:, -1] == 1
    assert (rows[~shown] == 0).all()
    assert (rows[shown, :3].argmax(1) == batch.context[shown]).all()
    assert shown.double().mean().item() == pytest.approx(0.75, abs=0.03)


def test_guidance_blends_what_knows_the_condition_with_what_does_not() -> None:
    torch.manual_seed(0)
    plain, strong, none = (
        flow_matching(2, labels=3, guidance=weight).double() for weight in (1.0, 2.5, 0.0)
    )
    for model in (strong, none):
        model.load_state_dict(plain.state_dict())
    x, t = torch.randn(5, 2).double(), torch.tensor(0.4).double()
    rows = torch.nn.functional.one_hot(torch.arange(5) % 3, 3).double()
    known = plain.network(x, t, marked(rows))
    free = plain.network(x, t, torch.zeros(5, 4).double())
    assert not torch.equal(known, free)
    for model, weight in ((plain, 1.0), (strong, 2.5), (none, 0.0)):
        velocity = model.ode.velocity
        v, divergence = velocity.with_divergence(x, t, rows)
        torch.testing.assert_close(v, free + weight * (known - free))
        torch.testing.assert_close(velocity(x, t, rows), v)
        jacobian = vmap(jacrev(lambda x, c, f=velocity: f(x[None], t, c[None])[0]))(x, rows)
        torch.testing.assert_close(divergence, jacobian.diagonal(dim1=1, dim2=2).sum(1))


@pytest.mark.parametrize("prediction", ["x1", "noise"])
def test_the_divergence_of_a_predicted_velocity(path: Path, prediction: str) -> None:
    model = flow_matching(2, path=path, prediction=prediction).double()
    x, velocity = torch.randn(5, 2).double(), model.ode.velocity
    for t in (torch.tensor(0.4).double(), 0.1 + 0.8 * torch.rand(5).double()):
        jacobian = vmap(jacrev(lambda x, t: velocity(x[None], t[None])[0]), in_dims=(0, 0))(
            x, t.expand(5)
        )
        v, divergence = velocity.with_divergence(x, t)
        torch.testing.assert_close(v, velocity(x, t))
        torch.testing.assert_close(divergence, jacobian.diagonal(dim1=1, dim2=2).sum(1))
        directions = torch.randn(3, 5, 2).double()
        _, columns = velocity.with_tangents(x, t, None, directions)
        torch.testing.assert_close(columns, torch.einsum("nij,knj->kni", jacobian, directions))


def test_data_in_other_units_are_the_same_to_the_network() -> None:
    model = flow_matching(2)
    model.preprocessing = Standardise((2,))
    x = torch.randn(1000, 2)
    model.initialise(x)
    scaled = flow_matching(2)
    scaled.load_state_dict(model.state_dict(), strict=False)
    scaled.preprocessing = Standardise((2,))
    scaled.initialise(100 * x + 7)
    losses = [
        flow_matching_loss(
            m,
            Batch(batch),
            pairing=Independent(),
            times=UNIFORM,
            generator=torch.Generator().manual_seed(0),
        )
        for m, batch in ((model, x), (scaled, 100 * x + 7))
    ]
    torch.testing.assert_close(*losses, atol=1e-4, rtol=1e-4)
