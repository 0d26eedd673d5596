"""Learning a VAE: the factor on the divergence, validation, mistakes, and whole runs."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from small import VAE, small_experiment

import genlab
from genlab import models
from genlab.batch import Batch
from genlab.densities import Bernoulli
from genlab.errors import UserError
from genlab.objectives import ELBO, negative_elbo

Capture = pytest.CaptureFixture[str]


def test_the_factor_rises_over_the_first_steps(tmp_path: Path) -> None:
    run = small_experiment(tmp_path, "objective.beta=2", "objective.annealing=0.5", model=VAE)
    objective, seen = run.module.objective, []
    for step in range(60):
        objective.advance(run.model, step=step, max_steps=60, draw=step)
        seen.append(objective.scalars()["train/beta"])
    assert seen == pytest.approx([2 * min((step + 1) / 31, 1) for step in range(60)])


def test_validation_takes_the_full_factor_and_repeats(tmp_path: Path) -> None:
    options = ("objective.importance_samples=1", "objective.beta=3", "objective.free_bits=0.5")
    learner = small_experiment(tmp_path, *options, model=VAE).module
    assert isinstance(learner.objective, ELBO)
    learner.objective.present_beta = 0.0
    learner.validation_step(Batch(torch.randn(500, 2)), 0)
    before = torch.get_rng_state()
    learner.validation_step(Batch(torch.randn(500, 2, generator=torch.Generator())), 0)
    learner.validation_step(Batch(torch.randn(500, 2, generator=torch.Generator())), 0)
    assert torch.equal(before, torch.get_rng_state())
    first, second = (metrics for *_, metrics in learner._validation[1:])
    assert first == second
    kl = torch.stack([first["latent/kl_1"], first["latent/kl_2"]])
    torch.testing.assert_close(first["val/kl"], kl.sum())
    plain = first["val/reconstruction"] + first["val/kl"]
    torch.testing.assert_close(first["val/nll"], plain)
    loss = first["val/reconstruction"] + 3 * kl.clamp(min=0.5).sum()
    torch.testing.assert_close(first["val/loss"], loss)


def test_weights_count_in_the_loss(tmp_path: Path) -> None:
    learner = small_experiment(
        tmp_path, "objective.importance_samples=1", "objective.annealing=0", model=VAE
    ).module
    x = torch.randn(4, 2)
    with torch.no_grad():
        torch.manual_seed(0)
        weighted = learner.loss(Batch(x, weight=torch.tensor([4.0, 0.0, 0.0, 0.0])))
        torch.manual_seed(0)
        terms = learner.model.bound_terms(x)
    first = terms._replace(log_likelihood=terms.log_likelihood[:, :1], kl=terms.kl[:1])
    torch.testing.assert_close(weighted, negative_elbo(first))


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["objective=elbo"],
            "objective: ELBO teaches VAE models, not RealNVP; objective=",
        ),
        (["model=vae", "objective.free_bits=0.1"], r"objective\.free_bits=0\.1: goes with"),
        (["model=vae", "model.network=conv"], r"model\.network=conv: expected samples of shape"),
        (["model=vae", "observation=bernouli"], "did you mean 'bernoulli'"),
        (["model=vae", "observation.levels=5"], "observation"),
        (["model=vae", "model.observation.levels=5"], "no 'levels' in model.observation"),
        (["model=vae", "model.observation.scale=netwrk"], "did you mean 'network'"),
        (["model=vae", "model.observation.min_scale=0"], "greater than 0"),
        (["model=vae", "observation=logistic", "model.observation.levels=1"], "at least 2"),
        (["model=vae", "model.importance_samples=0"], "at least 1"),
        (["model=vae", "objective.annealing=2"], "at most 1"),
        (["model=vae", "model.layers=2"], "no 'layers' in this model"),
    ],
)
def test_mistakes_are_named(overrides: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        genlab.experiment(*overrides)
    assert len(str(error.value).splitlines()) <= 2


def test_a_slow_way_to_learn_is_told_with_the_quick_one() -> None:
    slow = genlab.experiment("model=vae", "objective=maximum_likelihood")
    assert slow.remarks == (
        "a step takes model.importance_samples draws for each row, which is slow: objective=elbo "
        "learns the same by a few",
    )
    assert genlab.experiment("model=vae").remarks == ()


def test_data_that_cannot_be_observed_are_refused_before_training(tmp_path: Path) -> None:
    run = small_experiment(tmp_path, "observation=bernoulli", model=VAE)
    with pytest.raises(UserError, match="observation=bernoulli: expected data from 0 to 1"):
        run.fit()
    assert run.module.step == 0


def test_a_whole_run_in_double_precision(tmp_path: Path) -> None:
    run = small_experiment(tmp_path, "trainer.precision=64-true", "trainer.ema=0.9", model=VAE)
    metrics = run.fit()
    assert metrics["test/importance_samples"] == 4
    assert "test/inverse_error" not in metrics
    assert all(math.isfinite(metrics[key]) for key in ("test/kl", "test/nll", "val/loss"))
    assert run.directory is not None
    assert {path.stem for path in run.directory.figures.iterdir()} == {
        "density",
        "samples",
        "latent",
        "reconstruction",
        "traversal",
        "latent_kl",
    }
    loaded = genlab.load(run.directory.path)
    assert loaded.model.dtype == torch.float64
    x = run.data.test.x.double()
    assert torch.equal(loaded.model.log_prob(x), run.model.log_prob(x))


def test_it_learns_images_with_convolutions() -> None:
    """Bars of which each pixel is flipped with probability 0.05: an exact mixture of 8."""
    rows = torch.eye(4)[:, :, None].expand(-1, -1, 4)
    bars = torch.cat([rows, rows.transpose(1, 2)])[:, None]
    flips = 0.05

    def draw(n: int) -> torch.Tensor:
        x = bars[torch.randint(8, (n,))]
        return (x - (torch.rand(x.shape) < flips).float()).abs()

    def log_p(x: torch.Tensor) -> torch.Tensor:
        wrong = (x[:, None] != bars).flatten(2).sum(2)
        by_bar = wrong * math.log(flips) + (16 - wrong) * math.log(1 - flips)
        return by_bar.logsumexp(1) - math.log(8)

    model = models.VAE(
        (1, 4, 4),
        latent_dim=2,
        observation=Bernoulli(),
        network="auto",
        hidden=[16, 32],
        activation="silu",
        covariance="full",
        importance_samples=64,
    )
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    for _ in range(400):
        optimizer.zero_grad()
        negative_elbo(model.bound_terms(draw(128))).backward()
        optimizer.step()
    x = draw(2000)
    with torch.no_grad():
        gap = log_p(x) - model.log_prob(x)
    pixels = x.flatten(1).mean(0)
    independent = x.flatten(1) @ (pixels / (1 - pixels)).log() + (1 - pixels).log().sum()
    assert -0.05 < gap.mean() < 0.35 * (log_p(x) - independent).mean()
