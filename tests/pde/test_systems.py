"""Systems, waves, flows and inverse problems: what their equations and data say."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from genlab.errors import UserError
from genlab.pde import (
    Box,
    Cavity,
    Faces,
    Helmholtz,
    InverseDiffusion,
    Jet,
    Kovasznay,
    Peak,
    Problem,
    Wave,
    differentiate,
    squared,
)
from genlab.pde.inverse import WEIGHT

TIGHT = {"atol": 1e-10, "rtol": 1e-10}


def points(problem: Problem, n: int = 100) -> Tensor:
    draw = torch.Generator().manual_seed(0)
    return problem.domain.sample(n, generator=draw, dtype=torch.float64)


def test_a_hessian_is_carried_where_an_operator_looks_at_it() -> None:
    assert Peak().order == "laplacian"
    assert Wave().order == "hessian"
    assert (Kovasznay().order, Kovasznay().equations, Wave().equations) == ("laplacian", 3, 1)


def test_flows_keep_mass_and_momentum() -> None:
    """The operator against the equations, written with a stream function of the test's own."""
    flow = Cavity(Re=7.0)
    x = points(flow)

    def fields(x: Tensor) -> Tensor:
        a, b = x.unbind(1)
        return torch.stack((a.sin() * b.cos(), -a.cos() * b.sin(), a * b**2), 1)

    u = differentiate(fields, x, 2)
    assert isinstance(u, tuple)
    a, b = x.unbind(1)
    # (u, v) . grad of (u, v) is (sin a cos a, sin b cos b), the Laplacian of each is -2 of itself.
    first = a.sin() * a.cos() + b**2 + 2 * a.sin() * b.cos() / 7
    second = b.sin() * b.cos() + 2 * a * b - 2 * a.cos() * b.sin() / 7
    expected = torch.stack((first, second, torch.zeros_like(a)), 1)
    torch.testing.assert_close(flow.residual(x, u), expected, **TIGHT)
    torch.testing.assert_close(squared(expected), expected.square().sum(1))
    assert not flow.has_exact
    edge = flow.boundary.sample(200, generator=torch.Generator().manual_seed(0))
    lid = torch.where(edge[:, 1] == 1, 16 * (edge[:, 0] * (1 - edge[:, 0])) ** 2, 0.0)
    lift = flow.lift(edge)
    torch.testing.assert_close(lift[:, :2], torch.stack((lid, 0 * lid), 1), atol=1e-6, rtol=0)
    assert (flow.lift(x.float())[:, 2] == 0).all()
    assert (flow.cutoff(x)[:, 2] == 1).all()


def test_a_wave_begins_at_rest_whatever_the_network_is() -> None:
    wave = Wave(c=2.0)
    x = points(wave)
    x[:, 1] = 0
    lift, cutoff = (differentiate(part, x, 1) for part in (wave.lift, wave.cutoff))
    v = differentiate(lambda x: (3 * x[:, 0] + 2 * x[:, 1]).sin() + 1, x, 1)
    assert isinstance(lift, Jet)
    assert isinstance(cutoff, Jet)
    assert isinstance(v, Jet)
    u, exact = lift.plus(cutoff.times(v, 1)), differentiate(wave.exact, x, 1)
    assert isinstance(exact, Jet)
    torch.testing.assert_close(u.value, exact.value, **TIGHT)
    torch.testing.assert_close(u.gradient, exact.gradient, **TIGHT)


@pytest.mark.parametrize("k", [math.pi / math.sqrt(2), 8.0])
def test_a_wave_number_that_resonates_is_refused(k: float) -> None:
    with pytest.raises(
        UserError, match=r"is nearly the eigenvalue .*choose another k, such as 7.5"
    ):
        Helmholtz(k=k)


def test_the_sensitivity_is_the_derivative_of_the_solution_and_solves_its_equation() -> None:
    problem = InverseDiffusion()
    x, step = points(problem), 1e-5
    above, below = (InverseDiffusion(D=0.1 + sign * step).exact(x) for sign in (1, -1))
    torch.testing.assert_close(
        problem.sensitivity(x), (above - below) / (2 * step), atol=1e-7, rtol=1e-7
    )
    s, u = (differentiate(part, x, 1) for part in (problem.sensitivity, problem.exact))
    assert isinstance(s, Jet)
    assert isinstance(u, Jet)
    expected = 0.1 * s.laplacian + u.laplacian
    torch.testing.assert_close(s.gradient[:, 1], expected, **TIGHT)
    edge = problem.boundary.sample(100, generator=torch.Generator().manual_seed(0))
    assert problem.sensitivity(edge).abs().max() < 1e-4


def test_cramer_and_rao_bound_the_estimate_and_the_equation_outweighs_the_data() -> None:
    """``D`` of the least penalised squares, by polynomials in the place of a network.

    Over noise draws its error is the bound; ten times the weight of the equation moves it by less
    than a tenth of that.
    """
    found = torch.tensor([estimates(seed) for seed in range(12)])
    bound = InverseDiffusion().cramer_rao()
    errors = found[:, 0] - 0.1
    assert 0.6 < float(errors.square().mean().sqrt()) / bound < 1.5
    assert float((found[:, 0] - found[:, 1]).abs().max()) < 0.1 * bound


def estimates(seed: int) -> list[float]:
    """The estimates with the weight of the data as it is, and with a tenth of it."""
    problem = InverseDiffusion(noise_seed=seed)
    draw = torch.Generator().manual_seed(1)
    inner = problem.domain.sample(900, generator=draw, dtype=torch.float64)

    def basis(x: Tensor) -> Tensor:
        place, time = x.unbind(1)
        powers = torch.stack([(2 * time - 1) ** k for k in range(9)], 1)
        waves = torch.stack([torch.sin(k * math.pi * place) for k in range(1, 7)], 1)
        return (time[:, None, None] * waves[:, :, None] * powers[:, None]).flatten(1)

    def start(x: Tensor) -> Tensor:
        angle = math.pi * x[:, 0]
        return torch.sin(angle) + torch.sin(2 * angle)

    jets, first = differentiate(basis, inner, 1), differentiate(start, inner, 1)
    assert isinstance(jets, tuple)
    assert isinstance(first, Jet)
    slopes = torch.stack([one.gradient[:, 1] for one in jets], 1)
    curves = torch.stack([one.laplacian for one in jets], 1)
    at_data, misfit = basis(problem.x) / problem.sigma, problem.y - start(problem.x)
    misfit = misfit / problem.sigma

    def loss(diffusivity: float, weight: float) -> float:
        scale = len(inner) ** -0.5
        rows = torch.cat((scale * (slopes - diffusivity * curves), weight**0.5 * at_data))
        right = torch.cat((scale * diffusivity * first.laplacian, weight**0.5 * misfit))
        solution = torch.linalg.lstsq(rows, right[:, None], driver="gelsd").solution
        return float((rows @ solution - right[:, None]).square().sum()) / weight

    def least(weight: float) -> float:
        low, high, middle = (loss(d, weight) for d in (0.097, 0.103, 0.1))
        return 0.1 + 0.003 * (low - high) / (2 * (low + high - 2 * middle))

    return [least(WEIGHT), least(WEIGHT / 10)]


class Advection(Problem):
    """``u_t + u_x = 0`` on a ring."""

    periodic = (0,)

    def operator(self, x: Tensor, u: Jet) -> Tensor:
        return u.gradient[:, 1] + u.gradient[:, 0]

    def exact(self, x: Tensor) -> Tensor:
        return torch.sin(2 * math.pi * (x[:, 0] - x[:, 1]))


def ring() -> Advection:
    box = Box([(0.0, 1.0), (0.0, 1.0)])
    return Advection(box, Faces(box, [(1, "low")]), n_points=10, space=1)


def test_a_ring_has_no_faces() -> None:
    problem = ring()
    edge = problem.boundary.sample(50, generator=torch.Generator().manual_seed(0))
    assert (edge[:, 1] == 0).all()
