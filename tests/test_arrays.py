"""Models and arrays without a run: fitted, scored, and found by their names."""

from __future__ import annotations

import copy
import math
import subprocess
import sys
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import genlab
from genlab.densities.observation import Bernoulli
from genlab.errors import RunError, UserError
from genlab.objectives import ELBO, MaximumLikelihood, ReverseKL
from genlab.targets import Gaussian


def rows(n: int = 1000, dim: int = 2) -> np.ndarray:
    return np.random.default_rng(0).normal(5.0, [2.0, 0.5][:dim], (n, dim))


def test_the_library_is_at_hand_and_light() -> None:
    code = (
        "import sys, genlab\n"
        "assert 'torch' not in sys.modules\n"
        "assert {'bijections', 'fit', 'models', 'score', 'targets'} <= set(dir(genlab))\n"
        "print(genlab.models.NSF(2).likelihood, genlab.paths.__name__)"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout == "exact genlab.paths\n"
    with pytest.raises(AttributeError, match="no attribute 'modells'"):
        _ = genlab.modells


@pytest.mark.parametrize(
    ("model", "steps"),
    [
        (genlab.models.GMM(2, components=1), 20),
        (genlab.models.RealNVP(2, layers=2), 300),
        (genlab.models.VAE(2, latent_dim=2, hidden=[16]), 300),
    ],
    ids=["em", "likelihood", "elbo"],
)
def test_a_family_learns_by_its_own_objective(model: genlab.densities.Density, steps: int) -> None:
    x = rows()
    fitted = genlab.fit(model, x, steps=steps, lr=1e-2)
    assert fitted is model
    assert not model.training
    entropy = math.log(2 * math.pi * math.e * 2.0 * 0.5)
    assert -genlab.score(model, x).mean() == pytest.approx(entropy, abs=0.1)


def test_velocities_are_learned_by_regression() -> None:
    network = genlab.nn.ConcatSquashMLP
    model = genlab.fit(genlab.models.FlowMatching(2, network=network), rows(), steps=200, lr=1e-2)
    x = model.sample(500, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(x.mean(0), torch.tensor([5.0, 5.0]), atol=0.4, rtol=0)


def test_arrays_frames_and_tensors_are_one() -> None:
    x = rows().astype(np.float32)
    given = (x, pd.DataFrame(x, columns=["a", "b"]), torch.from_numpy(x), x.tolist())
    torch.manual_seed(1)
    scores = []
    for data in given:
        state = torch.get_rng_state()
        with torch.random.fork_rng():
            torch.manual_seed(3)
            model = genlab.models.RealNVP(2, layers=2)
        genlab.fit(model, data, steps=5)
        scores.append(genlab.score(model, data))
        assert torch.equal(torch.get_rng_state(), state)
    assert scores[0].dtype == np.float64
    assert scores[0].shape == (1000,)
    for other in scores[1:]:
        assert np.array_equal(scores[0], other)


def test_units_are_those_of_the_data_with_standardisation_and_without() -> None:
    x = rows()
    model = genlab.fit(genlab.models.GMM(2, components=1), x, standardise=False)
    assert model.preprocessing is None
    truth = torch.distributions.MultivariateNormal(
        torch.from_numpy(x.mean(0)), torch.from_numpy(np.cov(x.T, bias=True))
    )
    expected = truth.log_prob(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(genlab.score(model, x), expected, atol=1e-3)


def test_negative_weights_are_refused_with_a_way_out() -> None:
    x = np.zeros((3, 2))
    with pytest.raises(UserError, match=r"weight: 1 of 3 weights are negative.*\n.*resampling"):
        genlab.fit(genlab.models.GMM(2), x, weight=[1.0, -0.5, 1.0])


def test_weights_and_labels_count() -> None:
    x, label = rows(), np.arange(1000) % 2
    model = genlab.fit(genlab.models.GMM(2, components=1, labels=2), x + 10 * label[:, None], label)
    assert (genlab.score(model, x[:5], [0]) > genlab.score(model, x[:5], [1])).all()
    halves = genlab.fit(
        genlab.models.GMM(1, components=1), x[:, 0] + 10 * label, weight=1.0 - label
    )
    assert halves.sample(500).mean().item() == pytest.approx(5.0, abs=0.5)


def test_weights_labels_and_the_plan_count_by_gradients_too() -> None:
    ones, labels = np.repeat([1.0, 9.0], 300)[:, None], np.tile([0, 1], 300)
    x = ones + 4 * labels[:, None] + np.random.default_rng(0).normal(size=(600, 2))
    weight = (ones[:, 0] == 1).astype(float)
    model = genlab.models.RealNVP(2, labels=2, layers=2)
    genlab.fit(model, x, labels, weight=weight, steps=300, standardise=False)
    means = [model.sample(2000, torch.tensor([label])).mean().item() for label in (0, 1)]
    assert means == pytest.approx([1, 5], abs=0.3)
    elbo = ELBO(annealing=1.0)
    genlab.fit(genlab.models.VAE(2), np.zeros((9, 2)) + np.eye(9, 2), objective=elbo, steps=4)
    assert 0 < elbo.scalars()["train/beta"] < 1


def test_weights_count_in_whatever_unit() -> None:
    """Also where single precision has no such numbers."""
    x, weight = rows(), np.random.default_rng(0).random(1000)
    start, found = genlab.models.RealNVP(2, layers=2), []
    for unit in (1.0, 2.0**-200, 2.0**200):
        model = genlab.fit(copy.deepcopy(start), x, weight=unit * weight, steps=5)
        found.append(genlab.score(model, x))
    for one in found[1:]:
        np.testing.assert_array_equal(one, found[0])
    weight[3] = np.inf
    with pytest.raises(UserError, match="data: 1 of the first 1000 rows hold NaN or infinite"):
        genlab.fit(genlab.models.RealNVP(2), x, weight=weight, steps=1)


def test_black_and_white_rows_keep_their_values() -> None:
    model = genlab.models.VAE(6, observation=Bernoulli())
    x = np.random.default_rng(0).integers(0, 2, size=(50, 6))
    assert genlab.fit(model, x, steps=3).preprocessing is None
    assert np.isfinite(genlab.score(model, x)).all()


def test_progress_is_quiet_unless_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    genlab.fit(genlab.models.NICE(2, layers=2), rows(), steps=20)
    assert capsys.readouterr().out == ""
    genlab.fit(genlab.models.NICE(2, layers=2), rows(), steps=20, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 10
    assert lines[0].startswith("step 0 of 20: loss ")


def test_the_units_of_a_context_do_not_matter() -> None:
    x, scores = rows(), []
    for unit, origin in ((1.0, 0.0), (1e-28, 0.0), (1e5, 1e6)):
        context = unit * x[:, :1] + origin
        torch.manual_seed(0)
        model = genlab.models.RealNVP(2, context_dim=1, layers=2).double()
        genlab.fit(model, x, context, steps=5)
        scores.append(genlab.score(model, x[:9], context[:9]))
    np.testing.assert_allclose(scores[1:], [scores[0]] * 2, atol=1e-6)


def test_a_context_and_weights_are_one_for_each_row() -> None:
    model, x = genlab.models.RealNVP(2, context_dim=1, layers=2), rows()
    given: dict[str, tuple[Any, Any]] = {
        r"context: expected 1000 rows, as many as x, got \[1001, 1\]": (np.ones((1001, 1)), None),
        r"weight: expected shape \[1000\], a number a row, got \[1001\]": (x[:, :1], np.ones(1001)),
        r"weight: expected shape \[1000\], .*, got \[1000, 1\]": (x[:, :1], np.ones((1000, 1))),
        "weight: expected a sum above 0, got 0": (x[:, :1], np.zeros(1000)),
        "1 of the first 1000 rows hold NaN": (np.where(x[:, :1] == x[3, 0], np.nan, 0), None),
        "999 of the first 1000 rows": (x[:, :1], np.where(np.arange(1000) == 5, 1.0, np.inf)),
    }
    for message, (context, weight) in given.items():
        with pytest.raises(UserError, match=message):
            genlab.fit(model, x, context, weight=weight, steps=1)


def test_mistakes_are_named() -> None:
    model = genlab.models.NICE(2, layers=2)
    with pytest.raises(UserError, match=r"x: expected shape \[n, 2\], got \[1000, 1\]"):
        genlab.fit(model, rows(dim=1))
    with pytest.raises(UserError, match="1 of the first 3 rows"):
        genlab.fit(model, [[0.0, 1.0], [1.0, math.nan], [2.0, 0.0]])
    with pytest.raises(UserError, match="teaches"):
        genlab.fit(genlab.models.GMM(2), rows(), objective=genlab.objectives.ELBO())
    with pytest.raises(UserError, match="ReverseKL learns from an energy"):
        genlab.fit(model, rows(), objective=ReverseKL(target=Gaussian(2)))

    with pytest.raises(UserError, match=r"model: expected Density, such as .*, got NICE"):
        genlab.fit(genlab.models.NICE, rows())
    with pytest.raises(UserError, match=r"objective: expected Objective, such as .*, got str"):
        genlab.fit(model, rows(), objective="em")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="steps=0: expected an integer, at least 1"):
        genlab.fit(model, rows(), steps=0)
    with pytest.raises(UserError, match=r"batch_size=2\.5: expected an integer, at least 1"):
        genlab.fit(model, rows(), batch_size=2.5)  # type: ignore[arg-type]
    for x in (None, "mine.csv", pd.DataFrame({"a": [1.0], "b": ["x"]})):
        with pytest.raises(UserError, match="x: expected"):
            genlab.fit(model, x)

    class Lost(MaximumLikelihood):
        def loss(self, model, batch):  # type: ignore[no-untyped-def]
            return super().loss(model, batch) * math.nan

    with pytest.raises(RunError, match="the loss became nan"):
        genlab.fit(model, rows(), objective=Lost(), steps=2)
