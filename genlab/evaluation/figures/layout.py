"""Room for the words between panels, measured once."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import LayoutEngine
from matplotlib.spines import Spine

__all__ = ["PanelLayout"]

PAD = 0.06
"""Inches around the words of a panel."""
GUESS = 0.5
"""Inches of the words on each side, as long as nobody has measured them."""


class PanelLayout(LayoutEngine):
    """Panels of one size, as large as their words and colourbars leave room for.

    The constrained layout of matplotlib measures all words twice each time that a figure is drawn,
    for half of that time. Here they are measured once; and, after `keep`, not again where only the
    figure's size and the order of its panels change. Titles and legends of a whole figure have no
    room, nor has a panel of several rows or columns.

    >>> figure = Figure((4.0, 2.0), layout=PanelLayout())
    >>> left, right = figure.subplots(1, 2)
    >>> figure.draw_without_rendering()
    >>> bool(0.0 < left.get_position().x0 < left.get_position().x1 < right.get_position().x0)
    True
    """

    _adjust_compatible = False
    _colorbar_gridspec = False

    def __init__(self) -> None:
        super().__init__()
        self._rooms: dict[Axes, Float[np.ndarray, "sides=2 ends=2"]] = {}
        self._kept = False

    def keep(self) -> None:
        """Measure no panel again: its words stay, and their sizes."""
        self._kept = True

    def execute(self, fig: Figure) -> None:
        """Place all panels that are seen.

        Args:
            fig: The figure; its panels are of one grid.
        """
        panels = [axis for axis in fig.axes if axis.get_visible()]
        if not (self._kept and all(axis in self._rooms for axis in panels)):
            self._rooms = {axis: np.full((2, 2), GUESS) for axis in panels}
            self._place(fig)
            self._rooms = {axis: _room(axis) / fig.dpi for axis in panels}
            for axis in panels:
                _pin_title(axis)
        self._place(fig)

    def _place(self, figure: Figure) -> None:
        """Give all panels one size and each its place, in fractions of the figure."""
        sizes = figure.get_size_inches()
        spots, rows, columns = {}, 1, 1
        for axis in self._rooms:
            spec = axis.get_subplotspec()
            assert spec is not None, "it is of a grid"
            rows, columns = spec.get_gridspec().get_geometry()
            spots[axis] = spec.colspan.start, rows - 1 - spec.rowspan.start  # from the bottom
        starts, lengths = [], []
        for side, (size, count) in enumerate(zip(sizes, (columns, rows), strict=True)):
            room = np.zeros((count, 2))
            for axis, spot in spots.items():
                room[spot[side]] = np.maximum(room[spot[side]], self._rooms[axis][side] + PAD)
            length = (size - room.sum()) / count
            before = room[:, 0].cumsum() + room[:, 1].cumsum() - room[:, 1]
            starts.append((before + length * np.arange(count)) / size)
            lengths.append(length / size)
        for axis, (column, row) in spots.items():
            axis.set_position((starts[0][column], starts[1][row], *lengths))


def _room(axis: Axes) -> Float[np.ndarray, "sides=2 ends=2"]:
    """Pixels that words take beyond a panel: to its left and right, below and above it."""
    # A spine would ask for all words once more, and reaches less far than they do.
    others = [one for one in axis.get_default_bbox_extra_artists() if not isinstance(one, Spine)]
    whole = axis.get_tightbbox(bbox_extra_artists=others, for_layout_only=True)
    assert whole is not None, "it is seen"
    (left, bottom), (right, top) = axis.bbox.get_points()
    return np.array([[left - whole.x0, whole.x1 - right], [bottom - whole.y0, whole.y1 - top]])


def _pin_title(axis: Axes) -> None:
    """Let a title that nothing has pushed up stay where it is, and each drawing not ask again."""
    title = axis.title
    if title.get_position()[1] == 1.0:
        axis.set_title(title.get_text(), fontsize=title.get_fontsize(), y=1.0)
