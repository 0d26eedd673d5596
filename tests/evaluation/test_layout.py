"""Panels with room for their words, which are measured once for a file and a card."""

from __future__ import annotations

import numpy as np
import pytest
from legible import collisions, words_of
from matplotlib.axes import Axes

from genlab.evaluation.figures.layout import PanelLayout
from genlab.evaluation.figures.style import add_colourbar, panels
from genlab.learning.tensorboard import lay_out_as_card


@pytest.fixture
def drawn():
    def draw(rows, columns, **how):
        figure, axes = panels(rows, columns, side=3.4, **how)
        for number, axis in enumerate(axes):
            image = axis.imshow(np.arange(12.0).reshape(3, 4) * 1e4, aspect="auto")
            axis.set_title(f"Panel {number}")
            if number % 2:
                add_colourbar(image, axis)
                axis.set_ylabel("metres")
        axes[-1].set_visible(rows == 1)
        return figure

    return draw


def boxes(figure):
    """Seen panels, in inches."""
    figure.draw_without_rendering()
    size = figure.get_size_inches()
    seen = [axis for axis in figure.axes if axis.get_visible()]
    return np.stack([axis.get_position(original=True).get_points() * size for axis in seen])


@pytest.mark.parametrize("shape", [(1, 1), (1, 3), (2, 4)])
def test_words_lie_apart_and_within_the_figure(drawn, shape):
    figure = drawn(*shape, layout=PanelLayout())
    for is_card in (False, True):
        if is_card:
            lay_out_as_card(figure)
        assert collisions(figure) == []
        for _, text, box in words_of(figure):
            assert figure.bbox.x0 <= box.x0 < box.x1 <= figure.bbox.x1, text
            assert figure.bbox.y0 <= box.y0 < box.y1 <= figure.bbox.y1, text


def test_panels_are_alike_and_nearly_as_large_as_constrained_ones(drawn):
    ours, theirs = boxes(drawn(2, 4, layout=PanelLayout())), boxes(drawn(2, 4))
    sizes = np.diff(ours, axis=1)[:, 0]
    np.testing.assert_allclose(sizes, np.broadcast_to(sizes[0], sizes.shape))
    assert np.diff(theirs, axis=1).min() == pytest.approx(sizes.min(), abs=0.12)
    order = np.arange(7)
    np.testing.assert_array_equal(np.lexsort((ours[:, 0, 0].round(3), -ours[:, 0, 1])), order)


def test_a_card_has_the_room_that_it_would_measure(drawn):
    kept, measured = drawn(1, 4, layout=PanelLayout()), drawn(1, 4, layout=PanelLayout())
    kept.draw_without_rendering()
    for figure in (kept, measured):
        lay_out_as_card(figure)
    measured.set_layout_engine(PanelLayout())
    np.testing.assert_allclose(boxes(kept), boxes(measured), atol=0.1)


def test_a_file_and_a_card_measure_each_panel_once(drawn, monkeypatch):
    seen, measure = [], Axes.get_tightbbox

    def counted(axis, *args, **options):
        seen.append(axis)
        return measure(axis, *args, **options)

    monkeypatch.setattr(Axes, "get_tightbbox", counted)
    figure = drawn(1, 3, layout=PanelLayout())
    for _ in range(2):
        figure.draw_without_rendering()
        lay_out_as_card(figure)
    assert sorted(map(seen.count, figure.axes)) == [1, 1, 1]
    figure.set_layout_engine(PanelLayout())
    figure.draw_without_rendering()
    figure.axes[0].set_ylabel("new")
    before = figure.axes[0].get_position().x0
    figure.draw_without_rendering()
    assert figure.axes[0].get_position().x0 > before
