"""The stages of a solve: which of them a figure shows."""

from __future__ import annotations

import pytest
import torch
from matplotlib import pyplot

from genlab.pde import Linear10
from genlab.pinn.figures import stages_figure
from genlab.pinn.stages import Stage


@pytest.mark.parametrize(("n", "shown"), [(1, [0]), (3, [0, 1, 2]), (9, [0, 2, 4, 6, 8])])
def test_a_figure_shows_the_first_and_the_last_stage(n: int, shown: list[int]) -> None:
    stages = [Stage(step, torch.rand(5, 3), torch.ones(5)) for step in range(n)]
    figure = stages_figure(stages, Linear10(dim=3))
    labels = [axes.get_ylabel().split("\n")[0] for axes in figure.axes]
    pyplot.close(figure)
    assert [label for label in labels if label.startswith("step")] == [f"step {i}" for i in shown]
