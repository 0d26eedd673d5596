"""Random fields: densities against dense matrices, entropies against samples."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from fields.dense import posterior, sample_given, toeplitz
from scipy import integrate
from torch import Tensor
from torch.distributions import MultivariateNormal

from genlab.fields import Matern, PowerLaw, SpectrumMixture
from genlab.targets import GaussianField

MIXTURE = SpectrumMixture(spectra=[PowerLaw(rms=0.8), Matern(rms=0.3)], weights=[1.0, 2.0])
SEEN: dict[str, Any] = {"condition": "low_resolution", "noise": 0.02}
CASES: dict[str, dict[str, Any]] = {
    "gaussian": {"spectrum": PowerLaw(rms=3.0), "mean": 0.4},
    "even": {"size": 8, "spectrum": Matern()},
    "log_normal": {"spectrum": Matern(rms=0.5), "mean": 0.4, "log_normal": True},
    "mixture": {"spectrum": MIXTURE},
    "log_normal mixture": {"spectrum": MIXTURE, "log_normal": True},
    "posterior": {"spectrum": PowerLaw(rms=3.0), "mean": 0.4, "factor": 3} | SEEN,
    "log_normal posterior": {"spectrum": Matern(), "log_normal": True, "factor": 3} | SEEN,
    "mixed posterior": {"spectrum": MIXTURE, "factor": 3} | SEEN,
}
every = pytest.mark.parametrize("name", CASES)


def target_of(name: str, **others: Any) -> GaussianField:
    return GaussianField(**{"size": 9, **CASES[name], **others})


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def close_to(mean_of: Tensor, expected: float, se: float = 0.0) -> bool:
    """Whether the mean of values is within 4 standard errors of a number."""
    error = math.hypot(float(mean_of.std()) / math.sqrt(len(mean_of)), se)
    return abs(float(mean_of.mean()) - expected) < 4 * error


@every
def test_cross_entropy_of_own_samples_is_the_entropy(name: str) -> None:
    target = target_of(name)
    _, log_p = target.draw_with_log_prob(20_000, generator=seeded())
    assert close_to(-log_p, target.entropy, target.entropy_se)
    assert target.entropy_se < 0.02
    assert (target.entropy_se == 0) == ("mix" not in name)


@every
def test_shapes_types_and_repetition(name: str) -> None:
    target = target_of(name)
    for n in (0, 1, 7):
        batch = target.draw(n, generator=seeded())
        assert (batch.x.shape, batch.x.dtype) == ((n, *target.event_shape), torch.float32)
        assert torch.equal(target.sample(n, generator=seeded()), batch.x)
        width = 0 if batch.context is None else batch.context.shape[1]
        assert width == target.context_dim == (9 if "posterior" in name else 0)
        rest = () if batch.context is None else (batch.context,)
        single, double = target.log_prob(batch.x, *rest), target.log_prob(batch.x.double(), *rest)
        assert (single.dtype, double.dtype) == (torch.float32, torch.float64)
        torch.testing.assert_close(single.double(), double, rtol=1e-6, atol=1e-6)
    assert not list(target.parameters())
    assert not target.state_dict()
    with pytest.raises(ValueError, match=r"x: expected shape \[n, 1, "):
        target.log_prob(torch.zeros(5, 3), torch.zeros(5, 9))


@pytest.mark.parametrize("name", ["mixture", "mixed posterior"])
def test_many_rows_are_worked_on_a_few_at_a_time(name: str, monkeypatch) -> None:
    target = target_of(name)
    batch, whole = target.draw_with_log_prob(50, generator=seeded())
    monkeypatch.setattr("genlab.targets.exact.WORKING_SET", 7 * target.terms)
    rest = () if batch.context is None else (batch.context,)
    torch.testing.assert_close(target.log_prob(batch.x.double(), *rest), whole)


@pytest.mark.parametrize("log_normal", [False, True])
def test_the_density_of_one_number_integrates_to_one(log_normal: bool) -> None:
    target = GaussianField(1, spectrum=MIXTURE, mean=0.3, log_normal=log_normal)

    def density(w: float) -> float:
        return float(target.log_prob(torch.full((1, 1, 1, 1), w, dtype=torch.float64)).exp())

    low = 0.0 if log_normal else -math.inf
    assert integrate.quad(density, low, math.inf, limit=200)[0] == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(("size", "factor"), [(4, 2), (6, 2), (6, 3), (9, 3)])
@pytest.mark.parametrize("log_normal", [False, True])
def test_the_posterior_is_the_dense_one(size: int, factor: int, log_normal: bool) -> None:
    target = GaussianField(
        size, spectrum=PowerLaw(rms=0.7), mean=0.2, log_normal=log_normal, factor=factor, **SEEN
    )
    batch, log_p = target.draw_with_log_prob(5, generator=seeded())
    assert batch.context is not None
    for x, y, found in zip(batch.x.double(), batch.context.double(), log_p, strict=True):
        g = x.log() if log_normal else x
        mean, scale = posterior(target, y)
        dense = MultivariateNormal(mean, scale_tril=scale)
        log_det = g.sum() if log_normal else 0.0
        assert float(found) == pytest.approx(float(dense.log_prob(g.flatten()) - log_det), abs=1e-6)
    volume = 0.2 * size**2 if log_normal else 0.0
    assert target.entropy == pytest.approx(float(dense.entropy()) + volume, abs=1e-8)


def test_an_observation_tells_which_spectrum_a_field_has() -> None:
    target = target_of("mixed posterior")
    batch = target.draw(20_000, generator=seeded())
    assert batch.context is not None
    again = sample_given(target, batch.context, seeded(1))
    # Pairs of (x, y) have one law, whether x or y was drawn first.
    for x in (batch.x, again):
        log_p = target.log_prob(x.double(), batch.context)
        assert close_to(-log_p, target.entropy, target.entropy_se)


def test_the_noise_is_a_hundredth_of_what_is_seen() -> None:
    target = GaussianField(9, spectrum=MIXTURE, condition="low_resolution", factor=3)
    y = target.draw(20_000, generator=seeded()).context
    assert y is not None
    squares = y.double().square().mean(1)
    assert close_to(squares, 101 * target.noise)


@pytest.mark.parametrize("name", ["log_normal", "mixture", "log_normal mixture"])
def test_negentropy_is_the_divergence_of_the_gaussian_of_equal_moments(name: str) -> None:
    target = target_of(name, size=5)
    batch, log_p = target.draw_with_log_prob(40_000, generator=seeded())
    x = batch.x[:, 0].double()
    pairs = [(torch.exp(torch.tensor(target.mean) + c / 2)) for c in target.variances.mean((1, 2))]
    mean = float(target.weights @ torch.stack(pairs)) if target.log_normal else target.mean
    gaussian = MultivariateNormal(
        torch.full((25,), mean, dtype=torch.float64), toeplitz(target.second_moments)
    )
    excess = log_p - gaussian.log_prob(x.flatten(1))
    assert target.negentropy > 1
    assert close_to(excess, target.negentropy, target.negentropy_se)
    assert close_to(x.mean((1, 2)), mean)


def test_a_gaussian_has_nothing_beyond_its_moments() -> None:
    assert target_of("gaussian").negentropy is None
    assert target_of("log_normal posterior").negentropy is None


def test_log_normal_fields_are_positive() -> None:
    target = target_of("log_normal")
    x = target.sample(3, generator=seeded())
    assert (x > 0).all()
    x[1, 0, 2, 3] = 0.0
    x[2, 0, 0, 0] = -1.0
    assert target.log_prob(x).isneginf().tolist() == [False, True, True]
    with pytest.raises(ValueError, match="expected y, of which"):
        target_of("posterior").log_prob(x)


@pytest.mark.parametrize(("size", "factor"), [(17, 2), (9, 1)])
def test_blocks_fill_the_square(size: int, factor: int) -> None:
    with pytest.raises(ValueError, match=f"factor={factor}: expected a number above 1"):
        GaussianField(size, spectrum=Matern(), factor=factor, **SEEN)


@pytest.mark.parametrize("options", [{"mean": 85.0}, {"mean": -79.0}])
def test_exponentials_that_leave_float32_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="leaves float32; expected"):
        GaussianField(5, spectrum=PowerLaw(), log_normal=True, **options)
    assert GaussianField(5, spectrum=PowerLaw(), **options).sample(2).isfinite().all()
