"""Rough samples: true ones, or uniform points resampled towards the target."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from genlab.errors import UserError
from genlab.targets import U1, MuellerBrown, Target, rough_samples


class Well(Target):
    """``N(mean, scale^2 I)``, up to a constant, in any dimension."""

    log_z = None

    def __init__(self, mean: list[float], scale: float, bound: float = 4.0) -> None:
        super().__init__()
        self.event_shape = (len(mean),)
        self.mean, self.scale, self.bound = torch.tensor(mean).double(), scale, bound

    def energy(self, x: Tensor) -> Tensor:
        return ((x - self.mean) / self.scale).square().sum(1) / 2


class Silent(MuellerBrown):
    """The potential without its samples."""

    has_samples = False


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_a_target_in_reach_is_found_where_it_lies_and_as_wide_as_it_is() -> None:
    x = rough_samples(Well([1.5, -2.0], 0.4), 10_000, generator=generator())
    assert (x.shape, x.dtype) == ((10_000, 2), torch.float32)
    assert x.mean(0).tolist() == pytest.approx([1.5, -2.0], abs=0.1)
    assert x.std(0).tolist() == pytest.approx([0.4, 0.4], rel=0.1)


def test_a_narrow_target_is_approached_as_far_as_candidates_suffice() -> None:
    x = rough_samples(Well([1.5, -2.0], 1e-3), 10_000, generator=generator())
    assert x.mean(0).tolist() == pytest.approx([1.5, -2.0], abs=0.1)
    assert 0.05 < x.std(0).max() < 0.5
    assert len(x.unique(dim=0)) > 300
    high = rough_samples(Well([1.0] * 20, 0.3), 10_000, generator=generator())
    assert (high.mean(0) - 1).abs().max() < 1
    assert len(high.unique(dim=0)) > 300


def test_the_start_on_mueller_brown_is_about_its_wells() -> None:
    x, truth = (rough_samples(t, 10_000, generator=generator()) for t in (Silent(), MuellerBrown()))
    assert (x.mean(0) - truth.mean(0)).abs().max() < 0.3
    # A little wider than the target: what is hot covers all wells.
    assert ((x.std(0) > truth.std(0)) & (x.std(0) < 2 * truth.std(0))).all()


def test_samples_are_taken_where_there_are_some() -> None:
    x = rough_samples(U1(), 100, generator=generator())
    assert torch.equal(x, U1().sample(100, generator=generator()))


def test_a_density_that_is_zero_within_the_bound_is_named() -> None:
    class Far(Well):
        def energy(self, x: Tensor) -> Tensor:
            return torch.where(x[:, 0] > 5, 0.0, math.inf)

    with pytest.raises(UserError, match=r"0 at each of 32768 points in \[-4, 4\]\^2; set a bound"):
        rough_samples(Far([0.0, 0.0], 1.0), 10, generator=generator())
