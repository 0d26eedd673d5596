"""Fields that a flow of their own making carries: the fluid's equation, symmetries, densities."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from properties import disturb

from genlab.batch import Batch
from genlab.bijections import FixedStepSolver, SpectralStandardise
from genlab.fields import SQUARE, NavierStokes, PowerLaw, Symmetries, squared_wavenumber
from genlab.models import CNF, ContinuousFlow, FlowMatching
from genlab.nn import ActiveScalar, Velocity
from genlab.objectives.maximum_likelihood import regularised_likelihood
from genlab.targets import Turbulence

SIDE, VISCOSITY = 7, 0.01


def fields(n: int = 3, channels: int = 1, side: int = SIDE) -> torch.Tensor:
    return torch.randn(n, channels, side, side, dtype=torch.float64)


@torch.no_grad()
def fluid(time: float, log_scale: torch.Tensor) -> ActiveScalar:
    """The right-hand side of Navier and Stokes in ``w / s``, s a scale for each mode."""
    side = len(log_scale)
    velocity = ActiveScalar((1, side, side)).double()
    m = side // 2
    a, g, log_h = velocity.filters
    for large in range(m + 1):
        for small in range(large + 1):
            orbit = large * (large + 1) // 2 + small
            log_h[orbit] = log_scale[small, large]
            g[orbit] = time * log_scale[small, large].exp()
            a[orbit] = -time * VISCOSITY * (small**2 + large**2)
    return velocity


def test_it_can_be_the_right_hand_side_of_a_fluid() -> None:
    flow, w, t = NavierStokes(SIDE, viscosity=VISCOSITY), fields(), torch.tensor(0.3).double()
    velocity = fluid(1.0, torch.zeros(SIDE, SIDE))
    rate = flow.restore(flow.rate(flow.transform(w[:, 0])))
    v, divergence = velocity.with_divergence(w, t)
    torch.testing.assert_close(v[:, 0], rate)
    torch.testing.assert_close(divergence, torch.full_like(divergence, flow.divergence))


def test_turbulence_has_the_density_of_a_cnf_that_is_the_fluid() -> None:
    spectrum = PowerLaw(rms=2.0)
    target = Turbulence(SIDE, spectrum=spectrum, viscosity=VISCOSITY, time=1.0)
    batch, truth = target.draw_with_log_prob(20, generator=torch.Generator().manual_seed(0))
    (variances,) = target.initial.variances
    solver = FixedStepSolver(method="rk4", steps=100)

    def network(shape: tuple[int, ...], context_dim: int) -> ActiveScalar:
        return fluid(1.0, 0.5 * variances.log())

    model = CNF((1, SIDE, SIDE), network=network, evaluation=solver).double()
    model.preprocessing = SpectralStandardise(variances[None]).double()
    with torch.no_grad():
        found = model.eval().log_prob(batch.x.double())
    torch.testing.assert_close(found, truth, atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("make", "context_dim"),
    [
        (CNF, 0),
        (FlowMatching, 0),
        (partial(FlowMatching, prediction="noise"), 0),
        (partial(FlowMatching, guidance=2.0), 2),
    ],
)
def test_its_divergence_is_not_estimated(
    make: Callable[..., ContinuousFlow], context_dim: int
) -> None:
    solver = FixedStepSolver(method="rk4", steps=2)
    options = {"network": ActiveScalar, "evaluation": solver, "context_dim": context_dim}
    exact, asked = (
        make((1, 5, 5), divergence=how, **options).double().eval() for how in ("exact", "gaussian")
    )
    asked.load_state_dict(disturb(exact, 0.1).state_dict())
    x = fields(side=5)
    context = torch.randn(3, context_dim).double() if context_dim else None
    assert asked.likelihood == "exact"
    assert torch.equal(asked.log_prob(x, context), exact.log_prob(x, context))


def test_the_divergence_of_a_part_of_it_is_estimated() -> None:
    options = {"network": ActiveScalar, "divergence": "rademacher"}
    model = FlowMatching((2, 5, 5), output="stream_function", **options)
    assert model.likelihood == "estimate"


@pytest.mark.parametrize("context_dim", [0, 2])
def test_what_carries_keeps_the_norm_of_what_is_carried(context_dim: int) -> None:
    velocity = disturb(ActiveScalar((2, SIDE, SIDE), context_dim=context_dim)).double()
    velocity.modulation.weight.data[: 4 * velocity.bracket.orbits] = 0
    velocity.filters.data[:4] = 0  # nothing but what carries
    x, t = fields(channels=2), torch.rand(3).double()
    context = torch.randn(3, context_dim).double() if context_dim else None
    image, filters = velocity._seen(x, t, context)
    coefficients = velocity.bracket.coefficients
    h = velocity.bracket.spread(filters.log_h).exp()
    carried, rate = h * coefficients(image), h * coefficients(velocity(x, t, context))
    size = (carried.square().sum((2, 3)) * rate.square().sum((2, 3))).sqrt()
    assert ((carried * rate).sum((2, 3)).abs() < 1e-12 * size).all()
    assert size.min() > 0.1


class Hasty(Velocity):
    """The same ways, at ``1 - h cos(2 pi t)`` times the speed."""

    def __init__(self, velocity: ActiveScalar, haste: float) -> None:
        super().__init__()
        self.velocity, self.haste = velocity, haste

    def forward(self, x, t, context=None):
        return self._speed(t) * self.velocity(x, t, context)

    def with_divergence(self, x, t, context=None):
        v, divergence = self.velocity.with_divergence(x, t, context)
        return self._speed(t) * v, self._speed(t) * divergence

    def _speed(self, t):
        return 1 - self.haste * (2 * torch.pi * t).cos()


@torch.no_grad()
def test_few_steps_take_haste_for_likelihood() -> None:
    """What they damp, no divergence counts: the density of the flow is the same."""
    velocity = fluid(1.0, 0.5 * PowerLaw(rms=3.0).variances(17).log())

    def flow(haste: float, steps: int) -> CNF:
        solver = FixedStepSolver(method="rk4", steps=steps)

        def network(shape: tuple[int, ...], context_dim: int) -> Hasty:
            return Hasty(velocity, haste)

        return CNF((1, 17, 17), network=network, solver=solver, evaluation=solver).double()

    x = flow(0.0, 50).ode.generate(fields(6, side=17))

    def gain(haste: float, steps: int, kinetic: float = 0.0) -> float:
        even, hasty = (
            regularised_likelihood(flow(h, steps), Batch(x), kinetic=kinetic, jacobian=0.0)
            for h in (0.0, haste)
        )
        return (even - hasty).item()

    assert abs(gain(1.0, 100)) < 0.01
    assert gain(1.0, 16) > 2 > gain(1.0, 30) > 0.05


def test_it_commutes_with_the_symmetries_of_vorticity_and_no_others() -> None:
    velocity, x, t = disturb(ActiveScalar((1, SIDE, SIDE))).double(), fields(8), torch.tensor(0.3)
    moved = partial(Symmetries(SQUARE).moved, chance=torch.rand(8, 3))
    v = velocity(x, t.double())
    torch.testing.assert_close(velocity(moved(x), t.double()), moved(v))
    for wrong in (lambda w: -w, lambda w: w.mT):
        assert (velocity(wrong(x), t.double()) - wrong(v)).abs().max() > 0.01


def test_a_given_image_takes_part_in_the_flow() -> None:
    shape = (1, SIDE, SIDE)
    velocity = ActiveScalar(shape, condition_shape=(1, SIDE, SIDE), context_dim=SIDE**2)
    disturb(velocity).double()
    x, given, t = fields(), fields().flatten(1), torch.tensor(0.3).double()
    change = velocity(x, t, given) - velocity(x, t, 2 * given)
    # It is carried by none, so that what it does is linear in it.
    torch.testing.assert_close(change, velocity(x, t, 0 * given) - velocity(x, t, given))
    assert change.abs().max() > 0.01


@pytest.mark.parametrize("side", [2, 3, 6, 17])
def test_every_wave_below_the_nyquist_frequency_is_counted_once(side: int) -> None:
    velocity = ActiveScalar((side, side))
    highest = (side - 1) // 2
    assert velocity.bracket.sizes.sum() == (2 * highest + 1) ** 2
    k = squared_wavenumber(side)[: highest + 1, : highest + 1]
    assert velocity.bracket.orbits == len({(a, b) for a in range(len(k)) for b in range(a, len(k))})


def test_each_number_of_the_filters_has_a_gradient() -> None:
    model = CNF((1, 5, 5), network=ActiveScalar, solver=FixedStepSolver(method="rk4", steps=2))
    disturb(model, 0.1)
    (-model.log_prob(torch.randn(20, 1, 5, 5)).mean()).backward()
    for key, parameter in model.named_parameters():
        assert parameter.grad is not None, key
        assert parameter.grad.any(), key


def test_what_is_not_square_is_named() -> None:
    with pytest.raises(ValueError, match=r"square fields, not on .*`ResidualConvNet`"):
        ActiveScalar((1, 4, 6))
