"""Wavenumbers and classes of modes."""

from __future__ import annotations

import pytest
import torch

from genlab.fields import averaged, class_means, mode_classes, squared_wavenumber, wavenumbers

KINDS = ("orbits", "shells", "modes")


@pytest.mark.parametrize("n", [1, 4, 5, 17])
def test_a_plane_wave_lies_in_the_mode_of_its_wavenumber(n: int) -> None:
    kx, ky = wavenumbers(n)
    place = 2 * torch.pi * torch.arange(n, dtype=torch.float64) / n
    for a, b in {(0, 0), (1 % n, 0), (n // 2, -1 % n), (-2 % n, 1 % n)}:
        wave = torch.exp(1j * (kx[a, 0] * place[:, None] + ky[0, b] * place))
        modes = torch.fft.fft2(wave, norm="ortho")
        assert modes[a, b].real.item() == pytest.approx(n)
        modes[a, b] = 0
        assert modes.abs().max() < 1e-9
    assert kx.abs().max() == n // 2


def test_how_many_classes_there_are() -> None:
    # Pairs 0 <= a <= b <= 8; radii up to 8 sqrt(2); half of all modes but the mean.
    counts = {alike: int(mode_classes(17, alike).max()) + 1 for alike in KINDS}
    assert counts == {"orbits": 45, "shells": 12, "modes": 145}
    # Four modes of a square with an even side are their own opposites.
    assert int(mode_classes(4, "modes").max()) + 1 == 10


@pytest.mark.parametrize("n", [4, 5, 9])
@pytest.mark.parametrize("alike", KINDS)
def test_classes_have_the_symmetries_that_they_stand_for(n: int, alike) -> None:
    classes = mode_classes(n, alike)
    minus = -torch.arange(n) % n
    assert torch.equal(classes, classes[minus][:, minus])
    assert torch.equal(classes.unique(), torch.arange(int(classes.max()) + 1))
    assert int(classes[0, 0]) == 0
    assert (classes == 0).sum() == 1
    if alike != "modes":
        assert torch.equal(classes, classes.T)
        assert torch.equal(classes, classes[minus])
        assert squared_wavenumber(n)[classes == 1].tolist() == [1.0] * int((classes == 1).sum())


def test_means_of_classes() -> None:
    values, classes = torch.rand(3, 5, 5, dtype=torch.float64), mode_classes(5)
    means = class_means(values, classes)
    for number in range(means.shape[1]):
        torch.testing.assert_close(means[:, number], values[:, classes == number].mean(1))
    torch.testing.assert_close(averaged(values, classes).sum((1, 2)), values.sum((1, 2)))
