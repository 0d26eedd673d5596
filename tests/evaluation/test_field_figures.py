"""Figures of fields show the right numbers in the right places."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from legible import collisions
from PIL import Image
from properties import cnf

from genlab.batch import Batch
from genlab.densities import Density, StandardNormal
from genlab.densities.inference import inference
from genlab.evaluation import evaluate
from genlab.evaluation.figures import draw
from genlab.evaluation.figures.field_statistics import statistics_figures
from genlab.evaluation.figures.fields import (
    Colours,
    animate_fields,
    enlarged_fields_figure,
    field_paths_figure,
    fields_figure,
)
from genlab.evaluation.figures.images import interpolation_figure
from genlab.evaluation.figures.pixels import figure_to_image
from genlab.fields import PowerLaw
from genlab.fields.statistics import spectrum, velocity
from genlab.learning.tensorboard import lay_out_as_card
from genlab.nn import Velocity
from genlab.targets import GaussianField


@pytest.fixture
def truth() -> torch.Tensor:
    target = GaussianField(9, spectrum=PowerLaw(rms=3.0))
    return target.sample(60, generator=torch.Generator().manual_seed(0))


def test_x_is_to_the_right_and_y_upwards() -> None:
    w = torch.zeros(1, 8, 8)
    w[0, 6, 1] = 1.0
    for smooth in (True, False):
        picture = Colours(-1.0, 1.0, Colours.of(torch.randn(2, 8, 8)).palette).paint(
            w, smooth=smooth
        )
        # The palette goes from blue by white to red: red keeps no blue.
        blue = picture[0, 2]
        row, column = divmod(int(blue.argmin()), blue.shape[1])
        assert column // (blue.shape[1] // 8) == 6
        assert 7 - row // (blue.shape[0] // 8) == 1


def test_pictures_go_on_beyond_their_sides() -> None:
    w = torch.randn(1, 8, 8)
    colours = Colours.of(w)
    rolled = colours.paint(w.roll((3, 2), (1, 2)))
    step = rolled.shape[-1] // 8
    assert torch.allclose(rolled, colours.paint(w).roll((3 * step, -2 * step), (3, 2)))


def test_one_scale_holds_true_fields_and_shows_what_lies_beyond() -> None:
    w = torch.linspace(1.0, 5.0, 640).view(10, 8, 8)
    colours = Colours.of(w)
    assert colours.low == pytest.approx(1, abs=0.02)
    assert colours.high == pytest.approx(5, abs=0.02)
    assert torch.equal(colours.paint(w + 100)[0, :, 0, 0], colours.paint(w + 200)[0, :, 0, 0])


@pytest.mark.parametrize("quantity", ["vorticity", "velocity", "scalar"])
def test_the_curves_are_the_means_of_the_fields(truth: torch.Tensor, quantity: str) -> None:
    first = velocity(truth[:, 0]).float() if quantity == "velocity" else truth
    figures = statistics_figures(first, 1.1 * first, quantity)
    flow = {"flux"} if quantity != "scalar" else set()
    assert figures.keys() == {"spectrum", "densities"} | flow
    left, right = figures["spectrum"].axes
    assert [mark.get_text() for mark in left.get_xticklabels(which="both")] == ["1", "2", "4"]
    lines = {line.get_label(): line for line in left.lines}
    w = truth[:, 0] - truth[:, 0].mean((1, 2), keepdim=True)
    power = spectrum(w).mean(0)[1:]
    np.testing.assert_allclose(lines["true fields"].get_ydata(), power, rtol=1e-4)
    np.testing.assert_allclose(right.lines[1].get_ydata(), 1.21, rtol=1e-4)
    assert len(figures["densities"].axes) == (1 if quantity == "scalar" else 4)
    for figure in (fields_figure(first, 1.1 * first, quantity), *figures.values()):
        assert collisions(figure) == []
        lay_out_as_card(figure)
        assert collisions(figure) == []


def test_the_legend_lies_on_no_curve(truth: torch.Tensor) -> None:
    skewed = (truth / 3).exp()
    figure = statistics_figures(skewed, 1.1 * skewed, "scalar")["densities"]
    figure_to_image(figure)
    (axis,) = figure.axes
    box = axis.get_legend().get_window_extent()
    for line in axis.lines:
        assert not box.count_contains(axis.transData.transform(line.get_xydata()))
        assert line.get_ydata().max() < axis.get_ylim()[1]


def test_figures_say_which_channel_is_seen(truth: torch.Tensor) -> None:
    both = torch.cat([truth, truth.square()], 1)
    figures = statistics_figures(both, both, "scalar") | {"s": fields_figure(both, both, "scalar")}
    assert all("channel 1 of 2" in one.axes[0].get_title() for one in figures.values())


class Still(Velocity):
    """Moves nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, x, t, context=None):
        return 0 * x + 0 * self.unused


def test_a_way_that_leads_nowhere_has_equal_pictures(truth: torch.Tensor, tmp_path) -> None:
    model = cnf((1, 9, 9), network=lambda shape, context_dim: Still()).eval()
    source = torch.Generator().manual_seed(0)
    with inference(model):
        figure = field_paths_figure(model, truth, None, "vorticity", generator=source)
    axis = figure.axes[0]
    assert len(axis.child_axes) == 1  # its colourbar
    picture = axis.images[0].get_array()
    width = (picture.shape[1] + 5) // 6
    np.testing.assert_array_equal(picture[:90, :90], picture[:90, width : width + 90])
    assert picture[:90, :90].std() > 0
    words = [text.get_text() for text in axis.texts]
    assert (words[0], words[-1]) == ("t = 0.0", "t = 1.0")
    path = tmp_path / "paths.gif"
    animate_fields(model, path, truth, None, "vorticity", generator=source)
    with Image.open(path) as frames:
        assert frames.n_frames > 10


def test_a_mosaic_of_few_rows_has_no_empty_band(truth: torch.Tensor) -> None:
    model = cnf((1, 9, 9), network=lambda shape, context_dim: Still()).eval()
    for fields in (4, 60):
        with inference(model):
            figure = interpolation_figure(model, truth[:fields], None)
        assert figure is not None
        figure_to_image(figure)
        (axis,) = figure.axes
        assert min(axis.get_position().width - 0.9, axis.get_position().height - 0.7) > 0


class Doubtful(Density):
    """Repeats what it is given, and doubts by one, or as much as it is told."""

    def __init__(self, doubt: float = 1.0) -> None:
        super().__init__((1, 9, 9), context_dim=9)
        self.doubt = doubt
        self.one = torch.nn.Parameter(torch.ones(()))

    def _log_prob(self, x, context):
        return -x.flatten(1).square().sum(1)

    def _sample(self, n, context, generator):
        small = context.view(n, 1, 3, 3).repeat_interleave(3, 2).repeat_interleave(3, 3)
        return small + self.doubt * torch.randn(n, 1, 9, 9, generator=generator)


def blocks(x: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.avg_pool2d(x, 3).flatten(1)


def test_enlarged_fields_stand_beside_what_was_given(truth: torch.Tensor) -> None:
    source = torch.Generator().manual_seed(0)
    model, given = Doubtful(), blocks(truth)
    with inference(model):
        figure = enlarged_fields_figure(model, truth, given, "vorticity", generator=source)
    (axis,) = [axis for axis in figure.axes if axis.images]
    names = [text.get_text() for text in axis.texts]
    assert names == ["given", "true", "sample", "sample", "sample", "mean", "spread"]
    assert collisions(figure) == []
    lay_out_as_card(figure)
    assert collisions(figure) == []


@pytest.mark.parametrize(("scale", "doubt"), [(1.05, 3.3), (1.0, 20.0)])
def test_no_number_beside_enlarged_fields_is_cut_off(
    truth: torch.Tensor, scale: float, doubt: float
) -> None:
    """In a figure that is drawn once, as it is for its file."""
    source, model = torch.Generator().manual_seed(0), Doubtful(doubt)
    with inference(model):
        figure = enlarged_fields_figure(
            model, scale * truth, blocks(truth), "vorticity", generator=source
        )
    figure_to_image(figure)
    (axis,) = [axis for axis in figure.axes if axis.images]
    labels = [label for bar in axis.child_axes for label in bar.get_yticklabels()]
    assert max(label.get_window_extent().x1 for label in labels) < figure.bbox.x1


def test_a_conditional_model_of_fields_has_its_numbers_and_figures(truth: torch.Tensor) -> None:
    source, model = torch.Generator().manual_seed(0), Doubtful()
    test = Batch(truth, blocks(truth))
    metrics = evaluate(
        model, test=test, target=None, generator=source, reduction=blocks, quantity="scalar"
    )
    assert metrics["test/misfit"] == pytest.approx(1 / 3, rel=0.2)
    assert metrics["test/misfit/reference"] < 1e-6
    assert metrics["test/crps/reference"] == pytest.approx(3 / math.pi**0.5, rel=0.15)
    assert {"test/spectrum", "test/flatness/se", "test/spread_skill"} <= metrics.keys()
    assert "test/psnr" not in metrics
    figures = draw(
        model,
        target=None,
        samples=truth,
        context=test.context,
        generator=source,
        enlarges=True,
        quantity="scalar",
    )
    assert figures.keys() == {"samples", "spectrum", "densities", "super_resolution"}


def test_a_gaussian_model_of_fields_has_their_scores(truth: torch.Tensor) -> None:
    metrics = evaluate(
        StandardNormal((1, 9, 9)),
        test=Batch(truth),
        target=GaussianField(9, spectrum=PowerLaw(rms=3.0)),
        generator=torch.Generator().manual_seed(0),
        quantity="vorticity",
        w2_points=50,
        kl_samples=100,
    )
    assert metrics["test/spectrum"] > 0.5
    assert abs(metrics["target/flatness"] - 3) < 4 * metrics["target/flatness/se"]
    assert metrics["test/increments"] > 3
    assert metrics["test/enstrophy"] == pytest.approx(0.5, abs=0.1)
    assert "test/crps" not in metrics
