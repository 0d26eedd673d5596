"""Ways of particles: straight where the velocity is constant along them, and how bent elsewhere."""

from __future__ import annotations

import math

import pytest
import torch
from properties import cnf

from genlab.bijections import FixedStepSolver, Standardise
from genlab.densities.inference import inference
from genlab.evaluation.figures.paths import density_at, paths_figure, to_data
from genlab.evaluation.figures.style import Window
from genlab.nn import Velocity


class Field(Velocity):
    """A velocity given by a formula."""

    def __init__(self, formula):
        super().__init__()
        self.formula = formula
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, t, context=None):
        return self.formula(x, t) + 0 * self.unused


def make(formula, **options):
    model = cnf(2, network=lambda shape, context_dim: Field(formula), **options)
    model.preprocessing = Standardise((2,))
    model.preprocessing.log_scale.fill_(math.log(2.0))
    return model.eval()


def turn(x, t):
    """Half a turn about the origin."""
    return math.pi * torch.stack((-x[:, 1], x[:, 0]), 1)


def test_ways_follow_the_field(generator):
    times = torch.tensor([0.0, 0.25, 0.5, 1.0])
    model = make(turn)
    z = torch.tensor([[1.0, 0.0]])
    with inference(model):
        ways = model.trajectories(z, times)
    angles = math.pi * times
    truth = torch.stack((angles.cos(), angles.sin()), 1)[:, None]
    torch.testing.assert_close(ways, truth, atol=1e-4, rtol=0)
    torch.testing.assert_close(to_data(model, ways[1]), 2 * ways[1])


@pytest.mark.parametrize(
    ("formula", "expected"),
    [
        (lambda x, t: torch.ones_like(x), 0.0),
        # Half circles: (pi / 2)^2 times the square of their chord in energy.
        (turn, math.pi**2 / 4 - 1),
        # Straight, but twice as fast at the end as in the mean: int (2t)^2 = 4/3.
        (lambda x, t: 2 * t * torch.ones_like(x), 1 / 3),
    ],
)
def test_straightness_is_the_energy_in_excess_of_the_chords(
    formula, expected, generator, global_state
):
    found = make(formula).straightness(n=200, generator=generator)
    assert found == pytest.approx(expected, abs=5e-3)


def test_the_density_at_a_time_is_that_of_what_has_flowed_so_far():
    """``v = x``: a normal of standard deviation ``e^t``, in units twice as large."""
    model = make(lambda x, t: x, solver=FixedStepSolver(method="rk4", steps=20))
    window = Window(-3, 3, -2, 2)
    with inference(model):
        for t in (0.0, 0.3, 1.0):
            std = 2 * math.exp(t)
            x = window.grid(10)
            truth = (-(x.square().sum(1)) / (2 * std**2)).exp() / (2 * math.pi * std**2)
            found = torch.from_numpy(density_at(model, t, window, 10)).flatten()
            torch.testing.assert_close(found, truth, atol=1e-6, rtol=1e-4)


def test_the_figure_shows_ten_densities_beside_the_ways(generator, global_state):
    model = make(lambda x, t: x, solver=FixedStepSolver(method="euler", steps=4))
    figure = paths_figure(model, generator=generator, size=10)
    assert len(figure.axes) == 11
    assert [axis.get_title() for axis in figure.axes[1:]][::9] == ["t = 0.00", "t = 1.00"]
    images = [axis.images[0].get_array() for axis in figure.axes[1:]]
    assert images[0].max() > 2 * images[-1].max(), "it spreads"
    assert len(figure.axes[0].collections[0].get_paths()) == 400
