"""Fields with block means of them: the right noise, the same rows at each sight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from genlab.data import CoarseFields
from genlab.errors import UserError
from genlab.fields import PowerLaw
from genlab.targets import Turbulence


def coarse(root: Path, **options: Any) -> CoarseFields:
    target = Turbulence(9, spectrum=PowerLaw(rms=3.0), time=0.1)
    settings: dict[str, Any] = {
        "event_shape": [1, 9, 9],
        "context_dim": 9,
        "condition_shape": [1, 3, 3],
        "train_size": 300,
        "val_size": 200,
        "test_size": 400,
        "batch_size": 16,
        "standardise": True,
        "alike": "orbits",
        "factor": 3,
        "noise": None,
        "symmetries": True,
        "root": str(root),
        "set_seed": 0,
        "seed": 0,
    }
    return CoarseFields(target, **settings | options)


def test_the_context_is_block_means_with_a_hundredth_of_noise(tmp_path: Path) -> None:
    data = coarse(tmp_path)
    assert data.test is not None
    x, y, _ = data.test
    assert y is not None
    means = x[:, 0].unfold(1, 3, 3).unfold(2, 3, 3).mean((3, 4)).flatten(1)
    assert torch.allclose(data.reduction(x), means, atol=1e-5)
    noise = (y - means).var()
    assert noise.item() == pytest.approx(data.noise, rel=0.1)
    assert data.noise == pytest.approx(0.01 * means.var().item(), rel=0.15)
    assert coarse(tmp_path, noise=4.0).noise == 4.0


def test_moved_fields_are_observed_as_they_are_seen(tmp_path: Path) -> None:
    data = coarse(tmp_path)
    batch = data.stream.rows(0, 600)
    assert batch.context is not None
    error = batch.context - data.reduction(batch.x)
    assert error.var().item() == pytest.approx(data.noise, rel=0.1)
    # Twice the same field: moved in another way, and seen with other noise.
    assert batch.x[:300].sort(0).values.ne(batch.x[300:].sort(0).values).any()
    assert not torch.equal(error[:300].sort(0).values, error[300:].sort(0).values)


def test_rows_are_a_function_of_their_number(tmp_path: Path) -> None:
    whole = coarse(tmp_path).stream.rows(0, 500)
    part = coarse(tmp_path).stream.rows(123, 234)
    assert whole.context is not None
    assert part.context is not None
    # A Fourier transform of more fields at once rounds in another way.
    assert torch.allclose(whole.x[123:234], part.x, atol=1e-5)
    assert torch.allclose(whole.context[123:234], part.context, atol=1e-5)


def test_runs_of_every_seed_are_tested_on_the_same_rows(tmp_path: Path) -> None:
    first, second = coarse(tmp_path).test, coarse(tmp_path, seed=1).test
    assert first is not None
    assert second is not None
    assert first.context is not None
    assert second.context is not None
    assert torch.equal(first.context, second.context)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"factor": 2}, "divides `size`=9"), ({"context_dim": 8}, "leave it null")],
)
def test_what_does_not_fit_is_refused(tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        coarse(tmp_path, **options)
