"""Images as data: the split, the noise, black and white, and what a model is given."""

from __future__ import annotations

import math

import pytest
import torch

from genlab.assembly import experiment
from genlab.data import Digits, ImageData
from genlab.data.image_stream import uniform
from genlab.errors import UserError

DIGITS = {
    "event_shape": [1, 8, 8],
    "levels": 17,
    "classes": 10,
    "labels": 0,
    "context_dim": 0,
    "train_size": None,
    "val_size": None,
    "test_size": None,
    "batch_size": 64,
    "alpha": 1e-6,
    "standardise": True,
    "dequantise": "fresh",
    "binarise": None,
    "condition": None,
    "factor": 2,
    "seed": 0,
}


def digits(**options: object) -> ImageData:
    return ImageData(Digits(), **DIGITS | options)


def test_the_splits_share_no_image_and_hold_them_all() -> None:
    parts = digits().images
    assert [len(part.levels) for part in parts] == [1237, 200, 360]
    everything = torch.cat([part.levels for part in parts]).flatten(1)
    assert len(everything.unique(dim=0)) == 1797
    assert int(everything.max()) == 16
    smaller = digits(train_size=100, val_size=20, test_size=30).images
    assert [len(part.levels) for part in smaller] == [100, 20, 30]
    assert torch.equal(smaller[0].levels, parts[0].levels[:100])


def test_a_batch_is_a_function_of_its_row_numbers_and_noise_is_fresh() -> None:
    data = digits(condition="label", labels=10)
    whole = data.stream.rows(0, 2500)
    other = digits(condition="label", labels=10).stream
    entered = other.rows(1000, 1400)
    assert torch.equal(whole.x[1000:1400], entered.x)
    assert torch.equal(whole.context[1000:1400], entered.context)
    assert not torch.equal(whole.x[:400], digits(seed=1).stream.rows(0, 400).x)
    # A pass shows each image once; its levels come back whatever the noise.
    levels = (whole.x[:1237] * 17).floor()
    assert levels.flatten(1).unique(dim=0).shape == (1237, 64)
    assert sorted(levels.sum((1, 2, 3)).tolist()) == sorted(
        data.images[0].levels.sum((1, 2, 3)).tolist()
    )
    u = whole.x * 17 - (whole.x * 17).floor()
    assert abs(float(u.mean()) - 0.5) < 0.005


def test_the_noise_is_uniform_and_leaves_the_level_as_it_is() -> None:
    u = uniform((100, 1, 50, 51), torch.Generator().manual_seed(0)).flatten()
    assert float(u.min()) > 0
    assert float(u.max()) < 1
    counts = torch.histc(u, 100, 0, 1)
    assert float(((counts - 2550).square() / 2550).sum()) < 99 + 4 * math.sqrt(2 * 99)
    assert abs(float(torch.corrcoef(torch.stack((u[:-1], u[1:])))[0, 1])) < 0.01
    top = torch.tensor([255.0])
    assert torch.equal((top + u).floor(), top.expand_as(u))


def test_held_out_images_have_the_same_noise_in_every_run() -> None:
    first, second = digits(), digits(seed=5)
    assert torch.equal(first.test.x, second.test.x)
    assert torch.equal(first.validation.x, second.validation.x)
    assert torch.equal(
        digits(dequantise="fixed").stream.rows(0, 1237).x.sum(0),
        digits(dequantise="fixed").stream.rows(0, 1237).x.sum(0),
    )


def test_black_and_white_images_follow_their_levels() -> None:
    dynamic = digits(binarise="dynamic")
    assert dynamic.levels is None
    assert dynamic.preprocessing([]) is None
    x = torch.stack([dynamic.stream.rows(1237 * k, 1237 * (k + 1)).x.mean() for k in range(20)])
    assert set(dynamic.test.x.unique().tolist()) == {0.0, 1.0}
    expected = dynamic.images[0].levels.float().mean() / 16
    assert abs(float(x.mean() - expected)) < 0.002
    static = digits(binarise="static").stream
    assert torch.equal(static.rows(0, 1237).x.sum(0), static.rows(1237, 2474).x.sum(0))
    threshold = digits(binarise="threshold")
    assert torch.equal(threshold.test.x, (threshold.images[2].levels > 8).float())


def test_a_low_resolution_is_the_mean_of_squares() -> None:
    data = digits(condition="low_resolution", context_dim=16)
    levels = data.images[2].levels[0, 0] + 0.5
    assert data.test.context.shape == (360, 16)
    assert float(data.test.context[0, 5]) == pytest.approx(float(levels[2:4, 2:4].mean()) / 17)


def test_what_contradicts_itself_is_refused() -> None:
    with pytest.raises(UserError, match=r"data\.labels=3: follows from data\.condition"):
        experiment("data=digits", "model=gmm", "data.labels=3")
    with pytest.raises(UserError, match=r"data\.factor=3: expected a number above 1 that divides"):
        experiment("data=digits", "model=gmm", "data.condition=low_resolution", "data.factor=3")
    with pytest.raises(UserError, match=r"data\.condition=label: these images have no labels"):
        experiment("data=digits", "model=gmm", "data.condition=label", "data.classes=0")


def test_masses_want_a_model_of_masses() -> None:
    with pytest.raises(UserError, match=r"data\.binarise: .* RealNVP gives densities"):
        experiment("data=digits", "model=realnvp", "data.binarise=static")
    run = experiment("data=digits", "model=vae", "observation=bernoulli", "data.binarise=dynamic")
    rows = run.data.test
    log_p = run.model.log_prob(rows.x[:3])
    assert run.model.preprocessing is None
    # Masses of 64 coins, about half each before training.
    assert (log_p < 0).all()


def test_the_jacobian_from_levels_to_the_model_is_counted() -> None:
    run = experiment("data=digits", "model=gmm", "model.components=1", "data.alpha=0.05")
    x = run.data.test.x[:5].double()
    run.model.double().initialise(run.data.first_rows().x.double())
    bijection = run.model.preprocessing
    z, log_det = bijection(x)
    jacobian = torch.func.vmap(torch.func.jacrev(lambda one: bijection(one[None])[0][0]))(x)
    expected = torch.linalg.slogdet(jacobian.view(5, 64, 64)).logabsdet
    torch.testing.assert_close(log_det, expected)
    s = 0.05 + 0.9 * x
    standardise = bijection.layers[1]
    torch.testing.assert_close(
        z, (s.logit() - standardise.mean) * (-standardise.log_scale).exp(), atol=1e-9, rtol=0
    )
    back, inverse_log_det = bijection.inverse(z)
    torch.testing.assert_close(back, x)
    torch.testing.assert_close(inverse_log_det, -log_det)
