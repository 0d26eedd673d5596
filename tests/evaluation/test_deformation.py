from __future__ import annotations

import numpy as np
import pytest
import torch
from matplotlib.collections import LineCollection

from genlab.bijections import Bijection, Compose
from genlab.evaluation.figures.deformation import (
    LINES,
    PER_LINE,
    SHADES,
    carried,
    deformation_figure,
)
from genlab.evaluation.figures.style import Window


class Shift(Bijection):
    def __init__(self, by):
        super().__init__()
        self.by = by

    def forward(self, x, context=None):
        return x - self.by, x.new_zeros(len(x))

    def inverse(self, z, context=None):
        return z + self.by, z.new_zeros(len(z))


def test_nested_compositions_are_opened_in_order():
    inner = Compose([Shift(2.0), Shift(3.0)])
    layers = Compose([Shift(1.0), inner, Shift(4.0)]).steps()
    assert [layer.by for layer in layers] == [1.0, 2.0, 3.0, 4.0]
    single = Shift(1.0)
    assert single.steps() == [single]


@pytest.mark.parametrize(
    ("count", "most", "steps"),
    [(3, 8, [0, 1, 2, 3]), (7, 8, [*range(8)]), (16, 5, [0, 4, 8, 12, 16]), (1, 8, [0, 1])],
)
def test_stages_go_from_latent_to_data(count, most, steps):
    bijection = Compose([Shift(10.0**k) for k in range(count)])
    z = torch.randn(5, 2, dtype=torch.float64)
    result = carried(bijection, z, most=most)
    assert [stage.step for stage in result] == steps
    assert result[0].points is z
    torch.testing.assert_close(result[-1].points, bijection.generate(z))
    for step, points in result:
        # The layer nearest to the latent is undone first.
        moved = sum(10.0**k for k in range(count - step, count))
        torch.testing.assert_close(points, z + moved)


def test_lines_are_as_dark_as_the_base_has_mass(affine_flow):
    flow, side = affine_flow([0.0, 0.0], [1.0, 1.0]), 3.0
    window = Window(-side, side, -side, side)
    z = flow.base.sample(50, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        figure = deformation_figure(flow.bijection, flow.base, z, window=window, others=window)
    lines = next(part for part in figure.axes[0].collections if isinstance(part, LineCollection))
    drawn = 0
    for points, alpha in zip(lines.get_segments(), lines.get_colors()[:, 3], strict=True):
        pieces = np.diff(points, axis=0)
        np.testing.assert_allclose(np.hypot(*pieces.T), 2 * side / (PER_LINE - 1), atol=1e-5)
        # The root of the density, over that where it is largest.
        exact = np.exp(-np.square(points[1:]).sum(1) / 4)
        np.testing.assert_allclose(alpha, exact, atol=0.51 / SHADES)
        drawn += len(pieces)
    assert 0.9 < drawn / (2 * LINES * (PER_LINE - 1)) <= 1.0
    assert len(lines.get_segments()) < drawn / 4
