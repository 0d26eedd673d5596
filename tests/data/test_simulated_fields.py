"""Simulated fields as training sees them: kept, moved, and the same after a resume."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from genlab.batch import Batch
from genlab.bijections import SpectralStandardise, SpectralStandardiseGiven
from genlab.data import FreshSamples, SimulatedFields
from genlab.data.simulated_fields import MovedSet
from genlab.fields import SQUARE, PowerLaw, Symmetries
from genlab.targets import Kolmogorov, Turbulence


def data(root: Path, **options: Any) -> SimulatedFields:
    settings: dict[str, Any] = {
        "target": Turbulence(5, spectrum=PowerLaw(rms=3.0), time=0.2, tolerance=0.1),
        "event_shape": [1, 5, 5],
        "context_dim": 0,
        "condition_shape": [],
        "train_size": 40,
        "val_size": 10,
        "test_size": 10,
        "batch_size": 16,
        "standardise": True,
        "alike": "orbits",
        "symmetries": True,
        "root": str(root),
        "set_seed": 0,
        "seed": 0,
    }
    return SimulatedFields(**{**settings, **options})


def test_runs_of_all_seeds_share_the_fields_and_see_them_moved_differently(tmp_path: Path) -> None:
    one, other = data(tmp_path), data(tmp_path, seed=1)
    assert one.training_set is not None
    assert other.training_set is not None
    assert torch.equal(one.training_set.x, other.training_set.x)
    assert torch.equal(one.validation.x, other.validation.x)
    assert not torch.isin(one.training_set.x, one.validation.x).any()
    assert not torch.equal(one.stream.rows(0, 16).x, other.stream.rows(0, 16).x)
    assert not torch.equal(data(tmp_path, set_seed=1).validation.x, one.validation.x)


def test_each_sight_of_a_field_is_another_and_a_function_of_its_number(tmp_path: Path) -> None:
    stream = data(tmp_path).stream
    x = stream.rows(0, 120).x
    assert len(x.flatten(1).unique(dim=0)) == 120
    assert torch.equal(data(tmp_path).stream.rows(50, 70).x, x[50:70])
    # Moved by orthogonal maps: each pass has the same norms.
    norms = x.square().sum((1, 2, 3)).view(3, 40).sort(1).values
    torch.testing.assert_close(norms[0], norms[1])
    torch.testing.assert_close(norms[0], norms[2])


@pytest.mark.parametrize("n", [16, 17])
def test_moved_rows_do_not_depend_on_how_many_are_asked_for(n: int) -> None:
    stored = Batch(torch.randn(300, 1, n, n))
    whole = MovedSet(stored, Symmetries(SQUARE), seed=1).rows(0, 5000).x
    for start, stop in ((0, 1), (3, 10), (2047, 2049), (4090, 4105)):
        rows = MovedSet(stored, Symmetries(SQUARE), seed=1).rows(start, stop).x
        assert torch.equal(rows, whole[start:stop])


def test_without_symmetries_fields_are_seen_as_they_are(tmp_path: Path) -> None:
    plain = data(tmp_path, symmetries=False)
    assert plain.training_set is not None
    seen = plain.stream.rows(0, 40).x
    assert torch.equal(seen.flatten(1).unique(dim=0), plain.training_set.x.flatten(1).unique(dim=0))


def test_times_stay_with_their_fields(tmp_path: Path) -> None:
    target = Turbulence(
        5, spectrum=PowerLaw(rms=3.0), time=0.2, viscosity=2.0, tolerance=0.1, condition="time"
    )
    batch = data(tmp_path, target=target, context_dim=1).stream.rows(0, 40)
    assert batch.context is not None
    # So viscous that a later field is a weaker one.
    fluctuation = batch.x - batch.x.mean((2, 3), keepdim=True)
    strength = fluctuation.square().mean((1, 2, 3)).log()
    together = torch.stack((strength, batch.context[:, 0]))
    assert together.corrcoef()[0, 1] < -0.5


def test_sets_of_trajectories_share_none(tmp_path: Path) -> None:
    target = Kolmogorov(8, forced_wavenumber=2, drag=0.5, viscosity=0.01, snapshots=5)
    flow = data(tmp_path, target=target, event_shape=[1, 8, 8], alike="modes")
    assert flow.training_set is not None
    assert not torch.isin(flow.training_set.x, flow.validation.x).any()
    assert flow.stream.rows(0, 16).x.shape == (16, 1, 8, 8)


def test_fresh_fields_are_simulated_a_chunk_at_a_time(tmp_path: Path) -> None:
    stream = data(tmp_path, train_size=None).stream
    assert isinstance(stream, FreshSamples)
    assert stream.block == data(tmp_path).target.chunk


def test_a_law_without_a_density_says_so(tmp_path: Path) -> None:
    flow = data(
        tmp_path, target=Kolmogorov(8, forced_wavenumber=2), event_shape=[1, 8, 8], alike="modes"
    )
    assert "8 x 8 numbers have 48 freedoms" in flow.remarks[0]
    assert not data(tmp_path).remarks


def test_fields_that_come_with_a_time_are_standardised_by_its_spectrum(tmp_path: Path) -> None:
    law = Turbulence(
        5, spectrum=PowerLaw(rms=3.0), viscosity=0.05, time=1.0, tolerance=0.1, condition="time"
    )
    timed = data(tmp_path, target=law, context_dim=1, train_size=2000)
    white, rows = timed.preprocessing(()), timed.first_rows()
    assert isinstance(white, SpectralStandardiseGiven)
    assert isinstance(data(tmp_path).preprocessing(()), SpectralStandardise)
    assert rows.context is not None
    z, late = white.initialise(rows.x, rows.context), rows.context[:, 0] > 0.5
    for some in (late, ~late):
        assert z[some].std().item() == pytest.approx(1, abs=0.02)
