"""Fits by passes: how many Gaussians they find, what they survive, how they go on."""

from __future__ import annotations

import math

import pytest
import torch
from mixtures import COVARIANCES, make_gmm

from genlab.batch import Batch
from genlab.densities import Covariance
from genlab.errors import RunError, UserError
from genlab.models import GMM
from genlab.objectives import MixtureFit
from genlab.targets import EightGaussians, Rings


def run(model: GMM, *batches: Batch, passes: int = 200, start: bool = True) -> MixtureFit:
    model.initialise(batches[0].x, batches[0].context)
    fit = MixtureFit(model)
    if start:
        fit.start(batches[0])
    for _ in range(passes):
        for batch in batches:
            fit.observe(batch)
        fit.advance()
        if fit.done:
            break
    return fit


def components(model: GMM) -> list[int]:
    return model.mixture.logits.isfinite().sum(1).tolist()


@pytest.mark.parametrize("covariance", COVARIANCES)
def test_auto_finds_the_eight_gaussians(covariance: Covariance) -> None:
    x = EightGaussians().sample(4000).double()
    model = make_gmm(2, components="auto", covariance=covariance)
    fit = run(model, Batch(x))
    assert fit.done
    assert components(model) == [8]
    truth = EightGaussians()
    fresh = truth.sample(20_000).double()
    assert (truth.log_prob(fresh) - model.log_prob(fresh)).mean() < 0.02
    assert fit.failures() == []


def test_auto_finds_that_one_is_enough() -> None:
    x = torch.randn(2000, 3).double() @ torch.randn(3, 3).double()
    model = make_gmm(3, components="auto")
    run(model, Batch(x))
    assert components(model) == [1]
    torch.testing.assert_close(model.moments()[2][0, 0], x.T.cov(correction=0))


def test_auto_sees_rings_that_no_single_cut_pays_for() -> None:
    x = Rings().sample(6000).double()
    model = make_gmm(2, components="auto", tolerance=1e-4)
    run(model, Batch(x), passes=60)
    assert components(model)[0] > 15


def test_auto_lowers_the_bic_with_each_round_and_stops_at_its_limit() -> None:
    x = EightGaussians().sample(2000).double()
    bics = []
    for limit in (1, 2, 3, 5, 8):
        torch.manual_seed(0)
        model = make_gmm(2, components="auto", max_components=limit)
        run(model, Batch(x), start=False)
        assert components(model)[0] <= limit
        bics.append(model.bic(Batch(x)))
    assert bics == sorted(bics, reverse=True)


def test_each_class_gets_as_many_as_it_needs() -> None:
    x = torch.cat((EightGaussians().sample(2000), torch.randn(1000, 2))).double()
    labels = (torch.arange(3000) >= 2000).long()
    model = make_gmm(2, components="auto", labels=2)
    run(model, Batch(x, labels))
    assert components(model) == [8, 1]
    alone = make_gmm(2, components="auto")
    run(alone, Batch(x[2000:]))
    torch.testing.assert_close(
        model.log_prob(x[2500:], torch.tensor([1])), alone.log_prob(x[2500:]), atol=0.05, rtol=0.05
    )


def test_batches_make_the_same_pass_as_the_whole() -> None:
    x, weight = torch.randn(1000, 2).double(), torch.rand(1000).double()
    whole, parts = make_gmm(2), make_gmm(2)
    for model, batches in ((whole, [Batch(x, weight=weight)]), (parts, [])):
        batches = batches or list(Batch(x, weight=weight).split(123))
        torch.manual_seed(0)
        model.initialise(x)
        fit = MixtureFit(model)
        for _ in range(5):
            for batch in batches:
                fit.observe(batch)
            loss = fit.advance()
    for one, other in zip(whole.parameters(), parts.parameters(), strict=True):
        torch.testing.assert_close(one, other)
    # The loss is that of the parameters before the last step.
    fit.observe(Batch(x, weight=weight))
    assert fit.advance() <= loss
    expected = -(weight * parts.log_prob(x)).sum() / weight.sum()
    fit.observe(Batch(x, weight=weight))
    assert fit.advance() <= expected + 1e-12


def test_processes_that_share_a_pass_take_the_same_step() -> None:
    x = torch.randn(1000, 2).double()
    model = make_gmm(2)
    model.initialise(x)
    whole, first, second = (MixtureFit(model) for _ in range(3))
    for fit, rows in ((whole, x), (first, x[::2]), (second, x[1::2])):
        fit.observe(Batch(rows))
    theirs = iter([*second.statistics, second.log_det, second.unusable])
    first.reduce(lambda mine: mine + next(theirs))
    torch.testing.assert_close(first.advance(), whole.advance())
    for one, other in zip(first.present, whole.present, strict=True):
        torch.testing.assert_close(one, other)


def test_the_loss_is_the_negative_log_density_in_data_units() -> None:
    from genlab.bijections import Standardise

    x = 100 + 7 * torch.randn(500, 2).double()
    model = make_gmm(2)
    model.preprocessing = Standardise((2,)).double()
    model.initialise(x)
    fit = MixtureFit(model)
    expected = -model.log_prob(x).mean()
    fit.observe(Batch(x))
    assert fit.advance().item() == pytest.approx(expected.item(), rel=1e-10)


def test_with_a_context_the_loss_is_that_of_both_in_data_units() -> None:
    c = 100 + 30 * torch.randn(500, 1).double()
    x = 0.1 * c + torch.randn(500, 2).double()
    model = make_gmm(2, context_dim=1, components=1)
    model.initialise(x, c)
    fit = MixtureFit(model)
    for _ in range(2):
        fit.observe(Batch(x, c))
        loss = fit.advance()
    # One Gaussian has the moments of the rows after a step.
    both = torch.cat([c, x], 1)
    law = torch.distributions.MultivariateNormal(both.mean(0), both.T.cov(correction=0))
    assert loss.item() == pytest.approx(-law.log_prob(both).mean().item(), abs=1e-4)
    # What tells the gain of a pass is without these units, as it was in older checkpoints.
    units = model.context_encoder.log_scale.sum().item()
    assert fit.state_dict()["loss"] == pytest.approx(loss.item() - units)


def test_restarts_keep_the_likeliest_start() -> None:
    x = EightGaussians().sample(1000).double()

    def reached(restarts: int) -> float:
        likelihoods = []
        for seed in range(5):
            torch.manual_seed(seed)
            model = make_gmm(2, components=8, start="random", restarts=restarts)
            run(model, Batch(x), passes=10)
            likelihoods.append(model.log_prob(x).mean().item())
        return sum(likelihoods) / 5

    assert reached(20) > reached(1) + 0.02


@pytest.mark.parametrize("components", [1, "auto"])
def test_a_tolerance_of_zero_ends_where_nothing_changes_any_more(components: int | str) -> None:
    model = make_gmm(2, components=components, tolerance=0.0)
    fit = run(model, Batch(torch.randn(100, 2).double()), passes=3000)
    assert fit.done


def test_a_saved_fit_goes_on_as_if_nothing_had_been() -> None:
    x = Batch(EightGaussians().sample(1000).double())
    model = make_gmm(2, components="auto")
    model.initialise(x.x)
    fit = MixtureFit(model)
    seen = set()
    while not fit.done:
        twin = make_gmm(2, components="auto")
        twin.load_state_dict(model.state_dict())
        other = MixtureFit(twin)
        other.load_state_dict(fit.state_dict())
        losses = []
        for one in (fit, other):
            one.observe(x)
            losses.append(one.advance())
        assert torch.equal(*losses)
        seen.add(fit.phase)
        for name, value in model.state_dict().items():
            assert torch.equal(value, twin.state_dict()[name])
    assert seen == {"settle", "cut", "converge"}


def extremes() -> dict[str, torch.Tensor]:
    x = torch.randn(300, 2).double()
    outlier = x.clone()
    outlier[0] = 1e6
    constant = x.clone()
    constant[:, 1] = 3.0
    return {
        "outlier": outlier,
        "constant column": constant,
        "duplicates": x[:3].repeat(100, 1),
        "one point": x[:1],
        "one point many times": x[:1].repeat(50, 1),
        "fewer points than components": x[:2],
        "integers": torch.randint(3, (300, 2)).double(),
    }


@pytest.mark.parametrize("components", [5, "auto"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("case", extremes())
def test_extreme_data_give_a_finite_fit(
    case: str, dtype: torch.dtype, components: int | str
) -> None:
    from genlab.bijections import Standardise

    x = extremes()[case].to(dtype)
    model = make_gmm(2, components=components, restarts=2).to(dtype)
    model.preprocessing = Standardise((2,)).to(dtype)
    fit = run(model, Batch(x), passes=60)
    assert model.log_prob(x).isfinite().all()
    assert model.sample(100).isfinite().all()
    if case != "outlier":
        assert any("collapsed" in failure for failure in fit.failures())
    outside = model.log_prob(torch.full((1, 2), 1e3, dtype=dtype))
    assert not outside.isnan().any()


def test_what_collapsed_is_named() -> None:
    x = torch.cat((torch.randn(500, 2), torch.full((50, 2), 10.0))).double()
    model = make_gmm(2, components=2, restarts=5)
    fit = run(model, Batch(x))
    (which,) = (model.mixture.means[0, :, 0] > 9).nonzero().flatten().tolist()
    assert fit.failures() == [
        f"component {which} collapsed: flat to covariance_floor=1e-06 in some direction"
    ]


@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_rows_that_are_no_numbers_are_refused_wherever_they_come(bad: float) -> None:
    x = torch.randn(100, 2).double()
    model = make_gmm(2)
    model.initialise(x)
    fit = MixtureFit(model)
    fit.observe(Batch(x))
    x[17, 1] = bad
    fit.observe(Batch(x))
    with pytest.raises(UserError, match="data: 1 rows hold NaN or infinite values"):
        fit.advance()
    with pytest.raises(UserError, match="data: 1 of the first 100 rows hold NaN"):
        make_gmm(2).initialise(x)


@pytest.mark.parametrize("components", [3, "auto"])
def test_values_whose_squares_overflow_are_refused(components: int | str) -> None:
    x = torch.randn(100, 2)
    with pytest.raises(UserError, match=r"data: the squares of values up to \S+ are too large"):
        make_gmm(2, components=components).float().initialise(1e20 * x)
    model = make_gmm(2, components=components).float()
    model.initialise(x)
    fit = MixtureFit(model)
    x[3] = 1e25
    fit.observe(Batch(x))
    with pytest.raises(RunError, match="the loss of EM became nan"):
        fit.advance()


def test_a_process_without_rows_adds_nothing() -> None:
    model = make_gmm(2)
    x = torch.randn(100, 2).double()
    model.initialise(x)
    losses = []
    for batches in ([x], [x, x[:0]], [x[:0], x]):
        fit = MixtureFit(model)
        for batch in batches:
            fit.observe(Batch(batch))
        losses.append(-fit.statistics.log_likelihood.item())
    assert losses[0] == losses[1] == losses[2]
    fit = MixtureFit(model)
    fit.observe(Batch(x[:0]))
    with pytest.raises(UserError, match="no row has a positive weight"):
        fit.advance()


def test_rows_that_weigh_nothing_are_refused() -> None:
    x = torch.randn(100, 2).double()
    model = make_gmm(2)
    model.initialise(x)
    fit = MixtureFit(model)
    fit.observe(Batch(x, weight=torch.zeros(100).double()))
    with pytest.raises(UserError, match="no row has a positive weight"):
        fit.advance()


def test_small_weights_are_as_good_as_large_ones() -> None:
    x = EightGaussians().sample(3000).double()
    model = make_gmm(2, components="auto")
    run(model, Batch(x, weight=torch.full((3000,), 1e-6).double()))
    assert components(model) == [8]
