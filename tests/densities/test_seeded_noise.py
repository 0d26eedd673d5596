"""Noise that belongs to a point: repeatable, independent of the batch, and still random."""

from __future__ import annotations

import math

import torch

from genlab.densities.seeded_noise import row_shifts, shifted_normals, uniform_points


def test_a_row_has_its_shift_wherever_it_stands() -> None:
    x = torch.randn(100, 3)
    shifts = row_shifts(x, 5)
    assert torch.equal(row_shifts(x[[7, 3]], 5), shifts[[7, 3]])
    assert torch.equal(row_shifts(x.double(), 5).float(), shifts)
    assert torch.equal(row_shifts(x.view(100, 1, 3), 5), shifts)
    assert torch.equal(row_shifts(torch.zeros(1, 3), 5), row_shifts(-torch.zeros(1, 3), 5))
    assert shifts.unique().numel() > 0.99 * shifts.numel()


def test_shifts_are_uniform_and_independent_even_on_a_grid() -> None:
    axis = torch.linspace(-4, 4, 200)
    u = row_shifts(torch.cartesian_prod(axis, axis), 2).double()
    n, cells = len(u), 10
    index = (u * cells).long()
    counts = torch.bincount(index[:, 0] * cells + index[:, 1], minlength=cells**2).double()
    chi_square = ((counts - n / cells**2).square() / (n / cells**2)).sum()
    freedom = cells**2 - 1
    assert abs(chi_square - freedom) < 4 * math.sqrt(2 * freedom)
    # Neighbours in both directions have nothing in common.
    centred = (u - 0.5).view(200, 200, 2) * math.sqrt(12)
    for pairs in (centred[1:] * centred[:-1], centred[:, 1:] * centred[:, :-1]):
        assert (pairs.mean((0, 1)).abs() < 4 / math.sqrt(n)).all()


def test_each_point_is_standard_normal_over_the_rows() -> None:
    normals = shifted_normals(uniform_points(8, 3), row_shifts(torch.randn(20_000, 2), 3)).double()
    assert normals.shape == (8, 20_000, 3)
    error = 4.5 / math.sqrt(20_000)
    assert (normals.mean(1).abs() < error).all()
    assert ((normals.square().mean(1) - 1).abs() < math.sqrt(2) * error).all()
    assert normals.isfinite().all()


def test_an_even_set_integrates_better_than_independent_draws() -> None:
    shifts = row_shifts(torch.randn(2000, 2), 2)
    even = shifted_normals(uniform_points(64, 2), shifts)
    independent = torch.randn_like(even)
    errors = [(z.sum(-1).sin() + z.square().sum(-1)).mean(0).var() for z in (even, independent)]
    assert errors[0] < 0.1 * errors[1]


def test_nothing_is_taken_from_the_global_generator() -> None:
    before = torch.get_rng_state()
    uniform_points(5, 2)
    row_shifts(torch.zeros(3, 2), 2)
    assert torch.equal(before, torch.get_rng_state())
