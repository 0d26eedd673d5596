"""The panel of targets and what several models make of them."""

from __future__ import annotations

import numpy as np
import torch

from genlab.densities import StandardNormal, StandardUniform
from genlab.evaluation.figures import comparison_figure
from genlab.targets import EightGaussians, Moons


def test_each_map_is_its_own_density_in_the_colours_of_the_true_one():
    target = EightGaussians()
    models = {"normal": StandardNormal((2,)), "uniform": StandardUniform((2,))}
    figure = comparison_figure({"eight": target}, {"eight": models}, size=21)
    images = [axis.get_images()[0] for axis in figure.axes]
    assert [axis.get_title() for axis in figure.axes] == ["True density", "normal", "uniform"]
    assert len({image.get_clim() for image in images}) == 1
    truth, normal, uniform = (np.asarray(image.get_array()) for image in images)
    middle = StandardNormal((2,)).log_prob(torch.zeros(1, 2)).exp().item()
    assert truth[10, 10] < 0.01 * truth.max()
    assert np.isclose(normal[10, 10], middle)
    assert np.isclose(uniform[10, 10], 1 / 12)


def test_panels_that_are_left_over_are_empty():
    models = {str(index): StandardNormal((2,)) for index in range(5)}
    figure = comparison_figure({"eight": EightGaussians()}, {"eight": models}, size=5)
    assert [axis.axison for axis in figure.axes] == [True] * 6 + [False] * 4


def test_a_row_a_target_and_a_column_a_model():
    normal, uniform = StandardNormal((2,)), StandardUniform((2,))
    figure = comparison_figure(
        {"moons": Moons(), "eight": EightGaussians()},
        {"moons": {"normal": normal, "uniform": uniform}, "eight": {"uniform": uniform}},
        size=5,
    )
    assert [bool(axis.get_images()) for axis in figure.axes] == [True] * 4 + [False, True]
    assert [axis.get_title() for axis in figure.axes[:3]] == ["True density", "normal", "uniform"]
    assert [figure.axes[place].get_ylabel() for place in (0, 3)] == ["moons", "eight"]


def test_each_column_has_its_title_above_whatever_the_first_row_lacks():
    normal, uniform = StandardNormal((2,)), StandardUniform((2,))
    figure = comparison_figure(
        {"moons": Moons(), "eight": EightGaussians()},
        {"moons": {"normal": normal}, "eight": {"uniform": uniform}},
        size=5,
    )
    titles = [axis.get_title() for axis in figure.axes]
    assert titles == ["True density", "normal", "uniform", "", "", ""]
    assert [bool(axis.get_images()) for axis in figure.axes] == [1, 1, 0, 1, 0, 1]
