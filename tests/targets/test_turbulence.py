"""Turbulence with an exact density: its flow, where it is Gaussian, and where it is refused."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import MultivariateNormal

from genlab.errors import UserError
from genlab.fields import Kraichnan, PowerLaw, advance
from genlab.targets import Turbulence
from genlab.targets import turbulence as turbulence_room

SPECTRUM = PowerLaw(rms=3.0)


def generator(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def starts(target: Turbulence, n: int, seed: int = 0) -> tuple[Tensor, Tensor]:
    w = target.initial.sample(n, generator=generator(seed)).double()
    return w[:, 0], target.initial.log_prob(w)


@pytest.fixture(scope="module")
def turbulence() -> Turbulence:
    return Turbulence(17, spectrum=SPECTRUM)


def test_fields_followed_back_have_the_log_density_that_they_carry(turbulence: Turbulence) -> None:
    w, log_p = starts(turbulence, 64, seed=1)
    end = advance(turbulence.flow, w, 1.0, steps=turbulence.steps)
    back = advance(turbulence.flow, end, -1.0, steps=4 * turbulence.steps)
    error = (turbulence.initial.log_prob(back[:, None]) - log_p).abs()
    assert error.max() < 1e-3
    # No more steps than it takes.
    assert turbulence.steps < 150


def test_log_prob_agrees_with_what_samples_carry(turbulence: Turbulence) -> None:
    batch, log_p = turbulence.draw_with_log_prob(16, generator=generator(2))
    assert (batch.x.dtype, log_p.dtype) == (torch.float32, torch.float64)
    torch.testing.assert_close(turbulence.log_prob(batch.x.double()), log_p, rtol=0, atol=2e-3)
    again = turbulence.sample(16, generator=generator(2))
    assert torch.equal(again, batch.x)


def test_the_entropy_is_that_of_the_samples(turbulence: Turbulence) -> None:
    _, log_p = turbulence.draw_with_log_prob(200, generator=generator(3))
    se = log_p.std() / math.sqrt(len(log_p))
    assert turbulence.entropy is not None
    assert abs(turbulence.entropy + log_p.mean()) < 4 * se
    k2 = sum(kx**2 + ky**2 for kx in range(-8, 9) for ky in range(-8, 9))
    assert turbulence.initial.entropy - turbulence.entropy == pytest.approx(1e-3 * k2)


def triads(w: Tensor) -> Tensor:
    """The rate of the four modes of |k| = 1 by those of (1, 1) and (1, -1), from the sum."""
    modes = torch.fft.fft2(w, norm="ortho") / 3
    rate = torch.zeros_like(modes)
    ones = [(1, 0), (-1, 0), (0, 1), (0, -1)]
    twos = [(1, 1), (1, -1), (-1, 1), (-1, -1)]
    for px, py in ones:
        for qx, qy in twos:
            kx, ky = px + qx, py + qy
            if abs(kx) + abs(ky) == 1:
                # q x p (1 / |p|^2 - 1 / |q|^2), both orders of the pair.
                turn = (qx * py - qy * px) * (1 - 1 / 2)
                rate[..., kx, ky] += turn * modes[..., px, py] * modes[..., qx, qy]
    return torch.fft.ifft2(3 * rate, norm="ortho").real


def test_three_points_a_side_are_exact() -> None:
    """Given the modes (+-1, +-1), which decay, those of |k| = 1 are linear: a Gaussian."""
    viscosity, time = 0.02, 1.5
    target = Turbulence(
        3, spectrum=PowerLaw(rms=3.0, mean_mode=0.5), viscosity=viscosity, time=time
    )
    w, log_p = starts(target, 5)
    end = advance(target.flow, w, time, steps=2000)
    lam = target.initial.variances[0]
    # Orthonormal real modes of the 3 x 3 grid.
    x = 2 * math.pi * torch.arange(3, dtype=torch.float64) / 3
    waves = [(0, 0), (1, 0), (0, 1), (1, 1), (1, -1)]
    phase = [kx * x[:, None] + ky * x for kx, ky in waves]
    basis = [torch.ones(3, 3, dtype=torch.float64) / 3]
    for one in phase[1:]:
        basis += [math.sqrt(2) / 3 * one.cos(), math.sqrt(2) / 3 * one.sin()]
    modes = torch.stack(basis).flatten(1)
    a, b = modes[1:5], modes[5:]
    for row in range(5):
        start, now = w[row].flatten(), end[row].flatten()
        torch.testing.assert_close(b @ now, math.exp(-2 * viscosity * time) * (b @ start))
        frozen = (b @ start) @ b
        columns = [a @ triads((frozen + one).view(3, 3)).flatten() for one in a]
        generator_of_a = torch.stack(columns, 1)
        torch.testing.assert_close(generator_of_a.trace(), torch.zeros((), dtype=torch.float64))
        length = -math.expm1(-2 * viscosity * time) / (2 * viscosity)
        carry = math.exp(-viscosity * time) * torch.linalg.matrix_exp(length * generator_of_a)
        torch.testing.assert_close(
            torch.linalg.slogdet(carry).logabsdet,
            torch.tensor(-4 * viscosity * time, dtype=torch.float64),
        )
        torch.testing.assert_close(a @ now, carry @ (a @ start), rtol=0, atol=1e-9)
        zero = torch.zeros(4, dtype=torch.float64)
        of_a = MultivariateNormal(zero, lam[0, 1] * carry @ carry.T).log_prob(a @ now)
        of_b = MultivariateNormal(
            zero, lam[1, 1] * math.exp(-4 * viscosity * time) * torch.eye(4).double()
        ).log_prob(b @ now)
        of_mean = torch.distributions.Normal(0.0, lam[0, 0].sqrt()).log_prob(modes[0] @ now)
        exact = of_a + of_b + of_mean
        carried = log_p[row] - time * target.flow.divergence
        torch.testing.assert_close(carried, exact, rtol=0, atol=1e-8)


def test_the_density_integrates_to_one() -> None:
    """``E_q[p / q] = 1``, q the Gaussian of the samples' second moments, 1.3 times as wide."""
    target = Turbulence(5, spectrum=SPECTRUM, viscosity=0.01, time=0.5, tolerance=0.01)
    x = target.sample(10_000, generator=generator(4)).double()
    variances = 1.3**2 * torch.fft.fft2(x[:, 0], norm="ortho").abs().square().mean(0)
    noise = torch.randn(10_000, 5, 5, dtype=torch.float64, generator=generator(5))
    modes = torch.fft.fft2(noise, norm="ortho")
    y = torch.fft.ifft2(modes * variances.sqrt(), norm="ortho").real
    square = (modes.abs().square() + (2 * math.pi * variances).log()).sum((1, 2))
    ratio = (target.log_prob(y[:, None]) + square / 2).exp()
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / math.sqrt(len(ratio))


def test_without_viscosity_the_equilibrium_stays_as_it_is() -> None:
    spectrum = Kraichnan(shoulder=4.0, rms=3.0)
    target = Turbulence(17, spectrum=spectrum, viscosity=0.0)
    w, log_p = starts(target, 32)
    end = advance(target.flow, w, 1.0, steps=100)
    assert (end - w).square().mean() > 0.5 * w.square().mean()
    torch.testing.assert_close(target.initial.log_prob(end[:, None]), log_p, rtol=0, atol=1e-2)


def test_at_time_zero_it_is_the_gaussian_field() -> None:
    target = Turbulence(9, spectrum=SPECTRUM, time=0.0)
    batch, log_p = target.draw_with_log_prob(3)
    torch.testing.assert_close(target.initial.log_prob(batch.x.double()), log_p)
    assert target.entropy == target.initial.entropy


def test_a_field_that_cannot_be_followed_back_is_refused() -> None:
    target = Turbulence(9, spectrum=SPECTRUM, tolerance=0.01)
    x = target.sample(4).double()
    x[2] *= 10
    with pytest.raises(UserError, match=r"log_prob: 1 of 4 fields .* more than 0.05 nats"):
        target.log_prob(x)


def test_a_wrong_shape_is_refused() -> None:
    with pytest.raises(ValueError, match=r"x: expected shape \[n, 1, 9, 9\], got \[2, 1, 7, 7\]"):
        Turbulence(9, spectrum=SPECTRUM).log_prob(torch.zeros(2, 1, 7, 7))


def test_given_its_time_a_field_has_the_density_of_that_time() -> None:
    target = Turbulence(7, spectrum=SPECTRUM, viscosity=0.01, condition="time")
    batch, log_p = target.draw_with_log_prob(12, generator=generator(6))
    assert batch.context is not None
    assert set(batch.context[:, 0].tolist()) == {0.25, 0.5, 0.75, 1.0}
    torch.testing.assert_close(
        target.log_prob(batch.x.double(), batch.context), log_p, rtol=0, atol=2e-3
    )
    for row in range(4):
        time = batch.context[row].item()
        alone = Turbulence(7, spectrum=SPECTRUM, viscosity=0.01, time=time)
        x = batch.x[row : row + 1].double()
        torch.testing.assert_close(alone.log_prob(x)[0], log_p[row], rtol=0, atol=2e-3)
    with pytest.raises(ValueError, match="context: expected the time"):
        target.log_prob(batch.x)


def test_times_are_uniform_and_the_entropy_is_their_mean() -> None:
    target = Turbulence(5, spectrum=SPECTRUM, viscosity=0.01, time=2.0, condition="time")
    batch = target.draw(2000, generator=generator(7))
    assert batch.context is not None
    assert batch.context.mean().item() == pytest.approx(1.0, abs=0.06)
    assert batch.context.std().item() == pytest.approx(2 / math.sqrt(12), rel=0.05)
    at_the_middle = Turbulence(5, spectrum=SPECTRUM, viscosity=0.01, time=1.0)
    assert target.entropy == pytest.approx(at_the_middle.entropy)


def test_the_negentropy_is_what_the_best_gaussian_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own KL, the mean of log p - log q over fields that it was not fitted to."""
    monkeypatch.setattr(turbulence_room, "MOMENTS", 1000)
    target = Turbulence(9, spectrum=SPECTRUM, time=2.0, tolerance=0.01)
    assert target.negentropy is not None
    value, se = target.negentropy, target.negentropy_se
    batch, log_p = target.draw_with_log_prob(500, generator=generator(8))
    w = target.kept("moments", 1000, seed=0).x[:, 0].double()
    variances = torch.fft.fft2(w, norm="ortho").abs().square().mean(0)
    variances = (variances + variances.T) / 2
    variances = (variances + variances.flip(0).roll(1, 0)) / 2
    modes = torch.fft.fft2(batch.x[:, 0].double(), norm="ortho").abs().square()
    log_q = -0.5 * (modes / variances + (2 * math.pi * variances).log()).sum((1, 2))
    excess = log_p - log_q
    error = math.hypot(se, float(excess.std()) / math.sqrt(len(excess)))
    assert value == pytest.approx(float(excess.mean()), abs=4 * error)
    assert value > 10 * se
    assert Turbulence(9, spectrum=SPECTRUM, time=0.0).negentropy is None


@pytest.mark.parametrize("condition", ["time", None])
def test_at_time_zero_there_is_no_negentropy(condition: str | None) -> None:
    assert Turbulence(5, spectrum=PowerLaw(), time=0.0, condition=condition).negentropy is None
