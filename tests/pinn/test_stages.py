"""The stages of a solve and its solution: what of them figures show."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from matplotlib import pyplot

from genlab.pde import Cylinder, CylinderBoundary, Disk, Kovasznay, Linear10, Problem
from genlab.pinn import Network, SquaredResidual
from genlab.pinn.figures import stages_figure
from genlab.pinn.solution import SIDE, SLICES, solution_figures
from genlab.pinn.stages import Snapshots, Stage, read_stages, write_stage
from genlab.samplers import UniformSampler


@pytest.mark.parametrize(("n", "shown"), [(1, [0]), (3, [0, 1, 2]), (9, [0, 2, 4, 6, 8])])
def test_a_figure_shows_the_first_and_the_last_stage(n: int, shown: list[int]) -> None:
    stages = [Stage(step, torch.rand(5, 4), torch.ones(5)) for step in range(n)]
    figure = stages_figure(stages, Linear10(dim=4))
    labels = [axes.get_ylabel().split("\n")[0] for axes in figure.axes]
    pyplot.close(figure)
    assert [label for label in labels if label.startswith("step")] == [f"step {i}" for i in shown]


class Warm(Problem):
    """``u_t = lap u`` and a source, on a disk over an interval of time."""

    def __init__(self) -> None:
        cylinder = Cylinder(Disk(), (1.0, 3.0))
        super().__init__(cylinder, CylinderBoundary(cylinder), n_points=10, space=2)

    def operator(self, x: torch.Tensor, u: Any, *args: Any, **of: Any) -> torch.Tensor:
        return u.gradient[:, 2] - u.laplacian - 4

    def exact(self, x: torch.Tensor) -> torch.Tensor:
        return 1 - x[:, :2].square().sum(1) + 0 * x[:, 2]


def test_three_coordinates_are_shown_by_slices_and_each_point_by_the_nearest() -> None:
    problem = Warm()
    network = Network(problem, hidden=[6], boundary="soft").double()
    points = problem.domain.sample(40, generator=torch.Generator().manual_seed(0))
    (figure,) = solution_figures(network, points).values()
    rows = [figure.axes[4 * row : 4 * row + 4] for row in range(SLICES)]
    times = [1.25, 1.75, 2.25, 2.75]
    assert [row[0].get_ylabel() for row in rows] == [f"t = {t:g}\ny" for t in times]
    side = torch.linspace(-1, 1, SIDE, dtype=torch.float64)
    seen = []
    for time, (shown, exact, error, residual) in zip(times, rows, strict=True):
        x, y = side[30], side[60]
        at = torch.tensor([[x, y, time]], dtype=torch.float64)
        u = network(at).item()
        assert shown.images[0].get_array()[60, 30] == pytest.approx(u)
        assert exact.images[0].get_array()[60, 30] == pytest.approx(problem.exact(at).item())
        difference = np.log10(abs(u - problem.exact(at).item()))
        assert error.images[0].get_array()[60, 30] == pytest.approx(difference)
        assert np.ma.is_masked(shown.images[0].get_array()[0, 0]), "outside the disk"
        seen += residual.collections[0].get_offsets().tolist()
        near = points[(points[:, 2] - time).abs() <= 0.25]
        np.testing.assert_allclose(residual.collections[0].get_offsets(), near[:, :2])
    assert len(seen) == len(points)
    pyplot.close(figure)


def test_a_stage_of_three_coordinates_keeps_the_residual_of_slices(tmp_path: Path) -> None:
    problem = Linear10(dim=3)
    network = Network(problem, hidden=[6]).double()
    sampler = UniformSampler(domain=problem.domain, n_points=20)
    points = sampler.refresh(None, torch.zeros)
    taken = Snapshots(problem).take(7, network, SquaredResidual(), sampler, points)
    write_stage(taken, tmp_path)
    [stage] = read_stages(tmp_path)
    assert stage.residual is not None
    assert stage.residual.shape == (60, 60, 3)
    side = torch.linspace(-1, 1, 60, dtype=torch.float64)
    place = torch.stack((side[20], side[40], torch.zeros_like(side[0])))  # in the middle slice
    expected = network.residual(network.frame(place[None])).square().item()
    assert stage.residual[20, 40, 1].item() == pytest.approx(expected, rel=1e-6)
    figure = stages_figure([stage, stage], problem)
    titled = [axis.get_title() for axis in figure.axes]
    assert len(titled) == 2 * 4
    assert [title.rpartition(" = ")[2] for title in titled[:3]] == ["-0.667", "0", "0.667"]
    pyplot.close(figure)


def test_a_system_has_a_row_for_each_component() -> None:
    network = Network(Kovasznay(), hidden=[6])
    (figure,) = solution_figures(network, torch.rand(5, 2)).values()
    titles = [axis.get_title() for axis in figure.axes]
    assert [title for title in titles if "Network" in title] == [f"Network ${c}$" for c in "uvp"]
    assert [title.partition("^")[0][-3:] for title in titles[3::4]] == ["r_1", "r_2", "r_3"]
    pyplot.close(figure)


def test_more_coordinates_have_no_solution_to_show() -> None:
    assert solution_figures(Network(Linear10(dim=4), hidden=[4]), torch.rand(5, 4)) == {}
