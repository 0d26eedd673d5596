"""What an objective says of itself, and one of a user's own."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from learned import make, refreshed
from properties import MODELS
from torch import Tensor

from genlab import objectives
from genlab.batch import Batch, weighted_mean
from genlab.config import config_dir
from genlab.config.build import build
from genlab.config.check import check
from genlab.config.compose import compose
from genlab.densities import Density, StandardNormal
from genlab.errors import ArgumentError, UserError
from genlab.models import FlowMatching
from genlab.nn import ResidualMLP
from genlab.objectives import ELBO, EM, MixtureDescent, Objective, kl_by_dimension, own_objective
from genlab.targets import U1

FAMILIES = sorted(path.stem for path in (config_dir() / "model").glob("[!_]*.yaml"))


class Median(Objective[Density]):
    """By the median row: all but `loss` is the base's."""

    def loss(self, model: Density, batch: Batch) -> Tensor:
        return -model.log_prob(batch.x, batch.context).median()


def test_one_of_a_users_own_needs_a_loss_alone() -> None:
    model, batch = MODELS["nice"](2), Batch(torch.randn(9, 2))
    own = Median()
    own.check(model)
    own.start(model, batch)
    own.advance(model, step=0, max_steps=9, draw=0)
    assert own.reports == ("val/loss",)
    assert own.validate(model, batch) == {"val/loss": own.loss(model, batch)}
    assert own.scalars() == {}
    with pytest.raises(NotImplementedError, match="Median learns from batches"):
        own.passes(model)
    sampler = make("das", "nice", objective=own)
    before = [parameter.clone() for parameter in sampler.model.parameters()]
    refreshed(sampler)
    after = sampler.model.parameters()
    assert any(not torch.equal(a, b) for a, b in zip(before, after, strict=True))


@pytest.mark.parametrize("family", FAMILIES)
def test_what_a_family_learns_by_is_what_its_option_says(family: str) -> None:
    config = compose("train", [f"model={family}", "data=moons"])
    check(config)
    own, configured = own_objective(build(config, "model")), build(config, "objective")
    assert type(own) is type(configured)
    assert vars(own).keys() == vars(configured).keys()
    for name, value in vars(configured).items():
        ours = getattr(own, name)
        assert ours == value or (type(ours), vars(ours)) == (type(value), vars(value)), name


def test_defaults_are_those_of_the_configuration() -> None:
    words: dict[str, list[str]] = {
        "elbo": ["model=vae"],
        "flow_matching": ["model=flow-matching"],
        "regularised_likelihood": ["model=cnf"],
        "reverse_kl": ["model=realnvp", "data=u1"],
    }
    for option, model in words.items():
        config: Any = compose("train", [*model, f"objective={option}"])
        check(config)
        node = dict(config.objective)
        kind = getattr(objectives, node.pop("_target_").rpartition(".")[2])
        made = kind(U1()) if kind.learns_from == "energy" else kind()
        for name, value in node.items():
            own = getattr(made, name)
            if isinstance(value, int | float):
                assert own == value, name
            else:
                assert type(own).__name__ == value._target_.rpartition(".")[2]
                assert all(getattr(own, k) == v for k, v in value.items() if k != "_target_")


def test_how_a_mixture_learns_says_what_its_criteria_count() -> None:
    model = MODELS["gmm"](2)
    for objective, joint in ((MixtureDescent(), False), (EM(), True)):
        objective.check(model)
        assert model.joint != joint
        objective.adopt(model)
        assert model.joint == joint


def test_the_factor_is_full_where_nothing_is_planned() -> None:
    model, objective = MODELS["vae"](2).double(), ELBO(importance_samples=1, beta=0.3)
    batch = Batch(torch.randn(50, 2).double())
    torch.manual_seed(0)
    full = objective.loss(model, batch)
    objective.advance(model, step=99, max_steps=100, draw=0)
    torch.manual_seed(0)
    assert objective.loss(model, batch) == full
    objective.advance(model, step=0, max_steps=100, draw=0)
    assert objective.scalars()["train/beta"] == pytest.approx(0.3 / 21)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sampler=das", "model=gmm", "sampler.fit.lr=1"], "uses it; EM takes no gradient steps"),
        (["sampler=aas", "objective=em"], "uses it; AAS has no objective"),
        (["sampler=aas", "pairing=sinkhorn"], "uses it; AAS has no objective"),
        (["model=nsf", "pairing=sinkhorn"], "uses it; MaximumLikelihood has no pairing"),
        (
            ["sampler=das", "objective=reverse_kl"],
            "objective=reverse_kl: it learns from a log",
        ),
    ],
)
def test_what_a_solve_has_no_use_for_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(UserError, match=message):
        check(compose("solve", words))


def test_signed_weights_of_a_few_rows_pull_as_those_of_all() -> None:
    # Nearly half of the rows count less than nothing: of eight, a third weigh nothing or less.
    draw = torch.Generator().manual_seed(0)
    weight = torch.where(torch.rand(4000, generator=draw) < 0.45, -1.0, 1.0).double()
    values = torch.randn(4000, generator=draw, dtype=torch.float64) + weight
    batches = torch.randint(4000, (4000, 8), generator=draw)
    few = torch.stack([weighted_mean(values[rows], weight[rows]) for rows in batches])
    truth = (weight * values).sum() / weight.abs().sum()
    assert abs(few.mean() - truth) < 4 * few.std() / len(few) ** 0.5 < 0.05 * truth
    torch.testing.assert_close(weighted_mean(values, 2 * weight.abs()), values.mean())


def test_rows_count_by_their_weights_whatever_their_batch() -> None:
    model, objective = StandardNormal((1,)).double(), objectives.MaximumLikelihood()
    x, heavy = torch.randn(400, 1).double(), (3 * torch.randn(400).double()).exp()
    for weight in (heavy, torch.where(torch.rand(400) < 0.3, -0.1, 1.0) * heavy):
        rows = Batch(x, None, weight / weight.mean())
        steps = torch.stack([objective.step_loss(model, batch) for batch in rows.split(8)])
        truth = -(weight * model.log_prob(x)).sum() / weight.sum()
        torch.testing.assert_close(steps.mean(), truth)


@pytest.mark.parametrize(
    "objective",
    [
        objectives.MaximumLikelihood(),
        objectives.RegularisedLikelihood(),
        objectives.ReverseKL(U1()),
        Median(),
    ],
    ids=lambda objective: type(objective).__name__,
)
def test_what_follows_a_solver_takes_no_dropout(objective: Objective[Any]) -> None:
    """Of a stage that gives the divergence no weight another velocity would be taken."""
    network = partial(ResidualMLP, width=8, blocks=1)
    batch = Batch(torch.randn(5, 2))
    assert objective.loss(FlowMatching(2, network=network), batch).isfinite()
    dropping = FlowMatching(2, network=partial(network, dropout=0.2))
    assert objectives.VelocityRegression().loss(dropping, batch).isfinite()
    with pytest.raises(ArgumentError, match=r"network\.dropout=0\.2: .* expected 0"):
        objective.loss(dropping, batch)
    assert dropping.eval().log_prob(batch.x).isfinite().all()


def test_a_batch_in_which_no_row_counts_has_no_say() -> None:
    model, x = MODELS["realnvp"](2), torch.randn(6, 2)
    loss = objectives.MaximumLikelihood().loss(model, Batch(x, None, torch.zeros(6)))
    loss.backward()
    assert loss == 0
    assert all(not p.grad.any() for p in model.parameters() if p.grad is not None)
    terms = MODELS["vae"](2).bound_terms(x)
    assert not kl_by_dimension(terms, torch.zeros(6)).any()
