"""Figures of rows that count by weight: drawn by it, and said to be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genlab.evaluation.figures import draw


def titles(figure):
    return [axis.get_title() for axis in figure.axes if axis.get_title()]


@pytest.mark.parametrize("dims", [2, 3])
def test_rows_of_a_table_are_shown_by_their_weight(affine_flow, generator, dims):
    """Uniform rows, weighted to the law x^2 on (0, 1) in each coordinate, whose mean is 3/4."""
    x = torch.rand(20_000, dims, generator=generator)
    weight = 7 * x.square().prod(1)
    flow = affine_flow([0.75] * dims, [0.2] * dims)
    figures = draw(flow, target=None, samples=x, weight=weight, generator=generator)
    if dims == 2:
        assert titles(figures["density"]) == ["Weighted samples", "Model density"]
        assert titles(figures["samples"])[0] == "Weighted samples"
        image = figures["density"].axes[0].get_images()[0]
        left, right, *_ = image.get_extent()
        columns = image.get_array().sum(0)
        centres = left + (np.arange(len(columns)) + 0.5) * (right - left) / len(columns)
        assert np.average(centres, weights=columns) == pytest.approx(0.75, abs=0.01)
        points = figures["samples"].axes[0].collections[0].get_offsets()
    else:
        (legend,) = figures["samples"].legends
        assert legend.get_texts()[0].get_text() == "weighted samples"
        points = figures["samples"].axes[dims].collections[0].get_offsets()
    assert len(points) == 5000
    np.testing.assert_allclose(points.mean(0), 0.75, atol=0.02)
    signed = draw(flow, target=None, samples=x, weight=weight - 0.1, generator=generator)
    words = [
        *titles(signed["samples"]),
        *(t.get_text() for g in signed["samples"].legends for t in g.get_texts()),
    ]
    assert words[0].lower() == "unweighted samples"


def test_a_few_heavy_rows_leave_a_models_density_to_be_seen(affine_flow, generator):
    x = torch.randn(2000, 2, generator=generator)
    weight = (3 * torch.randn(2000, generator=generator)).exp()
    figures = draw(
        affine_flow([0.0] * 2, [1.0] * 2),
        target=None,
        samples=x,
        weight=weight,
        generator=generator,
    )
    (shown,), (density,) = (axis.get_images() for axis in figures["density"].axes[:2])
    assert shown.get_clim() == density.get_clim()
    highest, top = shown.get_array().max(), density.get_clim()[1]
    assert highest > 10 * density.get_array().max()
    assert top == pytest.approx(highest / 4)


@pytest.mark.parametrize("weight", [None, torch.ones(300), torch.linspace(-1, 2, 300)])
def test_the_words_of_a_single_coordinate_are_inside(affine_flow, generator, weight):
    x = torch.randn(300, 1, generator=generator)
    flow = affine_flow([0.0], [1.0])
    for name, figure in draw(
        flow, target=None, samples=x, weight=weight, generator=generator
    ).items():
        for legend in figure.legends:
            box = legend.get_window_extent()
            assert figure.bbox.x0 < box.x0 < box.x1 < figure.bbox.x1, name
