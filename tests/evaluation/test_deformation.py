from __future__ import annotations

import pytest
import torch

from genlab.bijections import Bijection, Compose
from genlab.evaluation.figures.deformation import carried


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
