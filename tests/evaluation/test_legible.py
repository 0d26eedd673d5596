"""Figures are read: no words over each other, and letters large enough on TensorBoard's cards."""

from __future__ import annotations

import pytest
import torch
from legible import collisions, overlapping, words_of
from matplotlib.figure import Figure
from matplotlib.text import Text

from genlab.densities.base import StandardNormal
from genlab.evaluation.figures import comparison_figure, draw
from genlab.evaluation.figures.corner import corner_figure
from genlab.evaluation.figures.images import image_rows_figure
from genlab.learning.tensorboard import lay_out_as_card
from genlab.pde import Grid, Peak
from genlab.pinn.convergence import Course, convergence_figures
from genlab.pinn.figures import stage_figure, stages_figure
from genlab.pinn.stages import SIZE, Stage
from genlab.targets import Moons

CARD_PIXELS = 400
"""How wide TensorBoard shows an image where it does not fill the page."""


@pytest.fixture
def stages():
    problem = Peak()
    grid = Grid(problem.domain, SIZE)
    field = grid.field(grid.x.square().sum(1) * 1e4)
    x, weight = torch.rand(50, 2) * 2 - 1, torch.rand(50) * 3
    return problem, [
        Stage(step, x, weight, field * 1e3, field, field, field * 1e-5) for step in (0, 9_900)
    ]


def test_the_words_of_stages_lie_apart(stages):
    problem, several = stages
    figure = stages_figure(several, problem)
    assert len(list(words_of(figure))) > 100
    assert collisions(figure) == []
    many = stages_figure([several[0]] * 3, problem)
    before = many.get_size_inches().tolist()
    lay_out_as_card(many)
    assert many.get_size_inches().tolist() == before
    one = stage_figure(several[0], problem)
    assert collisions(one) == []
    lay_out_as_card(one)
    assert collisions(one) == []
    titles = [axis.get_title() for axis in one.axes]
    assert all(titles)
    assert titles[4] == "Points by weight"


def test_costs_are_read_on_a_card():
    history = [{"seconds": s, "evaluations": 900 * s, "relative_l2": 1 / s} for s in (1.0, 40.0)]
    names = ("uniform", "sobol", "rad", "r3", "das-gmm", "das-realnvp", "bootstrap-flow-matching")
    steps = ("adam", "levenberg_marquardt", "ssbroyden")
    courses = [Course(name, step, history) for name in names for step in steps]
    figures = convergence_figures({"peak A=1000": courses, "burgers": courses[:1]})
    for figure in figures.values():
        assert collisions(figure) == []
        pixels = CARD_PIXELS / figure.get_size_inches()[0]
        shown = [text for text in figure.findobj(Text) if text.get_text().strip()]
        assert min(text.get_fontsize() for text in shown) / 72 * pixels > 7.5
        for text in figure.legends[0].get_texts():
            box = text.get_window_extent()
            assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, text.get_text()


def test_figures_are_read_on_a_card(affine_flow, gaussian_target, generator):
    flow, target = affine_flow([1.5, -2.0], [0.5, 0.3]), gaussian_target([1.5, -2.0], [0.5, 0.3])
    samples = target.sample(300, generator=generator)
    figures = draw(flow, target=target, samples=samples, generator=generator)
    figures["corner"] = corner_figure(*torch.randn(2, 100, 25), labels=("true", "model"))
    rows = [f"$z_{{{coordinate}}}$" for coordinate in range(10, 18)]
    figures["rows"] = image_rows_figure(torch.rand(8, 11, 1, 4, 4), names=rows, title="From left")
    for figure in figures.values():
        before = [axis.get_title() for axis in figure.axes]
        lay_out_as_card(figure)
        assert [axis.get_title() for axis in figure.axes] == before
        assert collisions(figure) == []
        pixels = CARD_PIXELS / figure.get_size_inches()[0]
        sizes = [
            text.get_fontsize() / 72 * pixels
            for text in figure.findobj(Text)
            if text.get_visible() and text.get_text().strip()
        ]
        assert min(sizes) > 7.5
    named = [axis.yaxis.label for axis in figures["rows"].axes if axis.get_ylabel()]
    assert [(label.get_text(), label.get_rotation()) for label in named] == [(z, 0) for z in rows]
    assert figures["rows"].get_suptitle() == "From left"
    width, height = figures["density"].get_size_inches()
    assert 0.8 * width < height < width, "three panels in two columns"
    own = Figure((12.0, 3.0))
    own.add_axes((0.1, 0.1, 0.8, 0.8))
    lay_out_as_card(own)
    assert own.get_size_inches() == pytest.approx((6.4, 1.6))


@pytest.mark.parametrize(
    ("shown", "said", "last"),
    [(None, "the first 5 of 25 columns", "f4"), ([20, 3, 7], "3 of 25 columns", "f7")],
)
def test_a_corner_figure_says_which_columns_it_shows(shown, said, last):
    first, second = torch.arange(25.0) + 0.1 * torch.randn(2, 100, 25)
    names = [f"f{place}" for place in range(25)]
    figure = corner_figure(first, second, labels=("true", "model"), names=names, shown=shown)
    (legend,) = figure.legends
    assert legend.get_title().get_text() == said
    columns = [*range(5)] if shown is None else shown
    bottom = figure.axes[-len(columns) :]
    assert [axis.get_xlabel() for axis in bottom] == [f"f{place}" for place in columns]
    assert bottom[-1].get_xlabel() == last
    for axis, place in zip(bottom, columns, strict=True):
        assert axis.get_xlim()[0] < place < axis.get_xlim()[1]
    names[3:6] = ["kind", "kind.2", "kind.3"]
    worded = corner_figure(first, second, labels=("true", "model"), names=names, shown=shown)
    assert worded.legends[0].get_title().get_text() == said.replace("columns", "coordinates")
    whole = corner_figure(first[:, :3], second[:, :3], labels=("true", "model"))
    assert whole.legends[0].get_title().get_text() == ""


LONG = [
    "mass",
    "pt_leading_jet",
    "MISSING TRANSVERSE ENERGY_x",
    "phi",
    "missing_transverse_energy",
    "a" * 70,
    "$x^$_{y$",
    " ",
    "",
]


@pytest.mark.parametrize("shown", [None, [2, 4], [5, 6, 4], [7, 8]])
def test_long_names_lie_apart_and_within_a_corner_figure(shown):
    clouds = torch.randn(2, 300, 9) * torch.tensor([1, 50, 1e4, 1, 1e-3, 1, 1, 1, 1])
    figure = corner_figure(*clouds, labels=("true", "model"), names=LONG, shown=shown)
    columns = [*range(5)] if shown is None else shown
    for is_card in (False, True):
        if is_card:
            lay_out_as_card(figure)
        words = list(words_of(figure))
        assert overlapping(words) == []
        for _, text, box in words:
            assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, text
            assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, text
    for axis, column in zip(figure.axes[-len(columns) :], columns, strict=True):
        name = "".join(axis.get_xlabel().replace("\\$", "$").split())
        first, *cut = name.split("\N{HORIZONTAL ELLIPSIS}")
        whole = "".join(LONG[column].split())
        assert whole.startswith(first)
        assert whole.endswith(cut[0] if cut else first)


def test_the_first_row_of_a_corner_figure_has_a_scale():
    figure = corner_figure(*torch.randn(2, 50, 3), labels=("true", "model"))
    figure.draw_without_rendering()
    last = figure.axes[2].yaxis.get_major_ticks()
    assert all(tick.label2.get_visible() and not tick.label1.get_visible() for tick in last)
    (single,) = corner_figure(*torch.randn(2, 50, 1), labels=("true", "model")).axes
    assert not list(single.get_yticks())


def test_the_titles_of_a_comparison_lie_apart():
    names = [f"realnvp\nlr=0.00{digit}533253688880516\nlayers=4" for digit in (5, 6)]
    models = {"moons": {name: StandardNormal((2,)) for name in names}}
    figure = comparison_figure({"moons": Moons()}, models, size=5)
    assert collisions(figure) == []
    shown = [axis.get_title() for axis in figure.axes]
    assert [title.replace("\n", "") for title in shown[1:]] == [n.replace("\n", "") for n in names]
