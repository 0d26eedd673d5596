from __future__ import annotations

import math

import pytest
import torch

from genlab.batch import Batch
from genlab.densities import StandardNormal
from genlab.evaluation import evaluate, samples_per_second
from genlab.models import RealNVP

TIME = "time/samples_per_second"
QUICK = {"w2_points": 200, "kl_samples": 5000}


def untimed(metrics):
    return {tag: value for tag, value in metrics.items() if tag != TIME}


def test_every_metric_of_a_flow_on_a_known_target(
    affine_flow, gaussian_target, generator, global_state
):
    target, flow = gaussian_target([0.0, 1.0], [1.0, 2.0]), affine_flow([0.0, 1.2], [1.0, 2.0])
    flow.train()
    test = Batch(target.sample(5000, generator=generator))
    metrics = evaluate(flow, test=test, target=target, generator=generator, **QUICK)
    assert set(metrics) == {
        "model/parameters",
        "target/entropy",
        "target/log_z",
        "test/ess",
        "test/ess/pareto_k",
        "test/ess/se",
        "test/inverse_error",
        "test/kl",
        "test/kl/se",
        "test/log_z",
        "test/log_z/error",
        "test/log_z/se",
        "test/mmd",
        "test/mmd/se",
        "test/nll",
        "test/nll/se",
        "test/w2",
        "test/w2/reference",
        "test/w2/reference/se",
        "test/w2/se",
        TIME,
    }
    assert all(isinstance(value, float) and math.isfinite(value) for value in metrics.values())
    assert abs(metrics["test/kl"] - 0.005) < 4 * metrics["test/kl/se"]
    gap = metrics["test/nll"] - metrics["target/entropy"] - 0.005
    assert abs(gap) < 4 * metrics["test/nll/se"]
    assert 0 < metrics["test/w2/reference"] < 1
    assert metrics["test/w2"] < 2 * metrics["test/w2/reference"]
    assert metrics["test/inverse_error"] < 1e-5
    assert flow.training
    assert not any(training or grad for _, training, grad in flow.seen)


def test_the_inverse_is_tried_on_so_many_numbers(affine_flow, gaussian_target, monkeypatch):
    seen = []
    monkeypatch.setattr("genlab.evaluation.suite.INVERTED", 20)
    monkeypatch.setattr(
        "genlab.evaluation.suite.inverse_error",
        lambda _, x, context, **__: seen.append((x.shape, context)) or 0.0,
    )
    target, flow = gaussian_target([0.0, 0.0], [1.0, 1.0]), affine_flow([0.1, 0.0], [1.0, 1.0])
    evaluate(flow, test=None, target=target, generator=torch.Generator(), **QUICK)
    assert seen == [((10, 2), None)]


def test_it_repeats_by_generator(affine_flow, gaussian_target, global_state):
    target, flow = gaussian_target([0.0], [1.0]), affine_flow([0.1], [1.0])

    def run(seed):
        source = torch.Generator().manual_seed(seed)
        return untimed(evaluate(flow, test=None, target=target, generator=source, **QUICK))

    assert run(0) == run(0)
    assert run(0)["test/w2"] != run(1)["test/w2"]


def test_a_metric_does_not_depend_on_which_others_apply(
    affine_flow, gaussian_target, sample_target
):
    flow = affine_flow([0.1], [1.0])
    known, unknown = (
        evaluate(
            flow,
            test=None,
            target=target([0.0], [1.0]),
            generator=torch.Generator().manual_seed(0),
            **QUICK,
        )
        for target in (gaussian_target, sample_target)
    )
    assert "test/kl" not in unknown
    assert "target/entropy" not in unknown
    assert known["test/w2"] == unknown["test/w2"]


def test_the_entropy_without_a_context_is_no_floor_of_what_is_given_one(gaussian_target, generator):
    x, target = torch.randn(50, 2), gaussian_target([0.0, 0.0], [1.0, 1.0])
    model = RealNVP(2, context_dim=1, layers=2, hidden=[8])
    found = evaluate(model, test=Batch(x, x[:, :1]), target=target, generator=generator, **QUICK)
    assert math.isfinite(found["test/nll"])
    assert not {"target/entropy", "test/kl"} & found.keys()


def test_without_a_target_the_test_set_is_the_truth(affine_flow, generator):
    flow = affine_flow([5.0], [1.0])
    test = Batch(5 + torch.randn(301, 1))
    metrics = evaluate(flow, test=test, target=None, generator=generator)
    assert metrics["test/w2"] < 0.5
    assert metrics["test/w2/reference"] < 0.5
    assert "test/kl" not in metrics


def test_weights_of_the_test_set_choose_the_true_samples(affine_flow, generator):
    flow = affine_flow([5.0], [1.0])
    x = torch.cat([5 + torch.randn(300, 1), -5 + torch.randn(300, 1)])
    weight = torch.cat([torch.ones(300), torch.zeros(300)])
    metrics = evaluate(flow, test=Batch(x, weight=weight), target=None, generator=generator)
    assert metrics["test/w2"] < 0.7
    assert metrics["test/nll"] == pytest.approx(0.5 * math.log(2 * math.pi * math.e), abs=0.2)


@pytest.fixture
def untimed_samples(monkeypatch):
    monkeypatch.setattr("genlab.evaluation.suite.samples_per_second", lambda *_, **__: 1.0)
    monkeypatch.setattr("genlab.evaluation.suite.CLASSIFIED", 0)


def test_weighted_rows_are_no_pair_with_themselves_and_in_one_half_alone(
    affine_flow, generator, untimed_samples
):
    """One row of half the weight: drawn by weight it would be in both halves, time and again."""
    flow = affine_flow([0.0], [1.0])
    x = torch.linspace(-2, 2, 40)[:, None].sinh()
    weight = torch.ones(40)
    weight[39] = 40.0
    found = [
        evaluate(flow, test=Batch(x, weight=weight), target=None, generator=generator)
        for _ in range(10)
    ]
    # Half of the mass has to go elsewhere, and of two effective rows no error is known.
    assert min(metrics["test/w2/reference"] for metrics in found) > 1
    assert any(math.isnan(metrics["test/mmd/se"]) for metrics in found)


def test_distances_are_in_the_units_of_the_columns(affine_flow, untimed_samples):
    """A column in metres and one in micrometres count alike, and those of data units are kept."""

    def found(scale):
        units = torch.tensor([1e-3, 1e6]) if scale else torch.ones(2)
        x = torch.randn(400, 2, generator=torch.Generator().manual_seed(0)) * units
        # The draws behind this flow are the same, whatever its units.
        flow = affine_flow([0.0, 0.0], (1.2 * units).tolist())
        source = torch.Generator().manual_seed(1)
        test = Batch(x)
        scale = x.std(0, correction=0) if scale else None
        return evaluate(flow, test=test, target=None, generator=source, scale=scale)

    raw, scaled = found(False), found(True)
    assert "test/standardised" not in raw
    assert scaled["test/standardised"] == 1.0
    for tag in ("test/w2", "test/w2/se", "test/w2/reference", "test/mmd"):
        assert scaled[tag] == pytest.approx(raw[tag], rel=0.1, abs=1e-3), tag
    assert scaled["test/inverse_error"] < 1e-5


def test_a_perfect_model_of_weighted_rows_is_as_far_as_the_reference(
    affine_flow, generator, untimed_samples
):
    flow, found = affine_flow([0.8], [1.0]), []
    for _ in range(30):
        x = torch.randn(300, 1, generator=generator)
        test = Batch(x, weight=(0.8 * x[:, 0]).exp())
        found.append(evaluate(flow, test=test, target=None, generator=generator))
    ours, reference = (
        torch.tensor([metrics[tag] for metrics in found])
        for tag in ("test/w2", "test/w2/reference")
    )
    error = ((ours.var() + reference.var()) / len(found)).sqrt()
    assert (ours.mean() - reference.mean()).abs() < 3 * error
    assert reference.mean() > 0.15


@pytest.mark.parametrize("kind", ["vector", "label"])
def test_a_conditional_model_is_sampled_under_the_contexts_of_the_test_set(
    affine_flow, gaussian_target, generator, kind
):
    if kind == "vector":
        flow = affine_flow([0.0, 0.0], [0.1, 0.1], context_dim=2)
        context = 10 * torch.randn(400, 2)
        x = context + 0.1 * torch.randn(400, 2)
    else:
        flow = affine_flow([0.0, 0.0], [0.1, 0.1], labels=2)
        context = torch.randint(2, (400,))
        x = torch.eye(2)[context] + 0.1 * torch.randn(400, 2)
    metrics = evaluate(
        flow,
        test=Batch(x, context),
        target=gaussian_target([0.0, 0.0], [1.0, 1.0]),
        generator=generator,
    )
    # Each model sample lies within the noise of the true sample whose context it was given.
    assert metrics["test/w2"] < 0.25
    assert metrics["test/inverse_error"] < 1e-4
    assert "test/kl" not in metrics


def test_a_density_that_is_no_flow(gaussian_target, generator):
    metrics = evaluate(
        StandardNormal((2,)),
        test=None,
        target=gaussian_target([0.0, 0.0], [1.0, 1.0]),
        generator=generator,
        **QUICK,
    )
    assert "test/inverse_error" not in metrics
    assert "test/nll" not in metrics
    assert metrics["model/parameters"] == 0.0


def test_a_family_has_numbers_of_its_own_by_row_or_as_they_are(affine_flow, generator):
    class Judged(affine_flow):
        def metrics(self, test=None, training=None, *, generator=None):
            assert not self.training
            assert not torch.is_grad_enabled()
            return {"mine/first": test.x[:, 0], "mine/rows": len(training.x)}

    test = Batch(torch.tensor([[1.0], [3.0], [50.0]]), weight=torch.tensor([1.0, 1.0, 0.0]))
    found = evaluate(
        Judged([0.0], [1.0]), test=test, target=None, training=Batch(test.x), generator=generator
    )
    assert (found["mine/first"], found["mine/first/se"]) == (2.0, 1.0)
    assert found["mine/rows"] == 3.0


def test_the_share_of_the_training_rows_that_weights_leave(generator):
    x, weight = torch.randn(40, 1), torch.tensor([2.0] * 10 + [0.5] * 20 + [0.0] * 10)
    found = evaluate(
        StandardNormal((1,)), test=Batch(x), target=None, training=Batch(x, None, weight),
        generator=generator, **QUICK,
    )  # fmt: skip
    assert found["train/ess"] == pytest.approx(30**2 / (40 * 45))


def test_a_broken_model_is_told_as_it_is(affine_flow, gaussian_target, generator):
    flow = affine_flow([math.nan], [1.0])
    target = gaussian_target([0.0], [1.0])
    test = Batch(target.sample(50, generator=generator))
    metrics = evaluate(flow, test=test, target=target, generator=generator, **QUICK)
    assert metrics["test/w2"] == math.inf
    for tag in ("test/nll", "test/kl", "test/mmd", "test/inverse_error"):
        assert math.isnan(metrics[tag])


def test_nothing_to_compare_with(affine_flow, generator):
    metrics = evaluate(affine_flow([0.0], [1.0]), test=None, target=None, generator=generator)
    assert set(metrics) == {"model/parameters", TIME}


def test_samples_are_drawn_for_the_time_given(affine_flow, global_state):
    flow = affine_flow([0.0], [1.0]).train()
    rate = samples_per_second(flow, seconds=0.05, batch_size=64)
    drawn = sum(n for n, *_ in flow.seen[1:])
    assert flow.seen[0] == (64, False, False)
    assert 0 < rate <= drawn / 0.05
    assert flow.training
