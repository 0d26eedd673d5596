"""Two clouds of points in more than two dimensions: pairs of coordinates, and each one alone."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

import numpy as np
import torch
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.lines import Line2D
from matplotlib.textpath import TextPath
from torch import Tensor

from genlab.evaluation.figures.style import CARD, MODEL, TRUTH, Window, panels, scatter, window_of
from genlab.evaluation.figures.turns import TURN, greek, mark_turn

__all__ = ["corner_figure"]

MOST = 5
"""Coordinates that are shown unasked."""
MOST_ANGLES = 7
"""The same of angles alone, whose panels are alike: those of a nucleotide."""
LETTER = 10
"""Size of the letters of names, in points."""
LINES = 3
"""Lines of a name."""
MARGIN = 1.6
"""What names and the numbers on both sides take of a card's width, in inches."""
PIECE = re.compile(r"[^\s_./-]*[\s_./-]*")
"""A part of a name, with what separates it from the next one."""


def corner_figure(
    first: Float[Tensor, "n d"],
    second: Float[Tensor, "m d"],
    *,
    labels: tuple[str, str],
    names: Sequence[str] | None = None,
    symbol: str = "x",
    shown: Sequence[int] | None = None,
    angles: Collection[int] = (),
    degrees: bool = False,
) -> Figure:
    """One cloud below the diagonal, the other above it, the marginals of both on it.

    Where there are more coordinates than are shown, the figure says which ones they are.

    Args:
        first: The cloud below the diagonal, which also sets the ranges.
        second: The cloud above the diagonal.
        labels: What the two clouds are.
        names: Names of the coordinates; ``symbol`` and a number if None.
        symbol: What a coordinate is called without names.
        shown: Which coordinates, from 0; the first `MOST` if None, or of angles `MOST_ANGLES`.
        angles: Which coordinates are angles, of which whole turns are shown.
        degrees: Whether their marks are in degrees, not in radians.
    """
    every = first.shape[1]
    most = MOST_ANGLES if len(angles) == every else MOST
    chosen = list(range(min(every, most)) if shown is None else shown)
    first, second = first[:, chosen].detach().cpu(), second[:, chosen].detach().cpu()
    # A column of words has several coordinates, all but the first with a number behind its name.
    plain = names is not None and not any(f"{name}.2" in names for name in names)
    what = "columns" if plain else "coordinates"
    dims = len(chosen)
    side = max(2.0, 4.5 / dims)
    room = (min(CARD, side * dims) - MARGIN) / dims
    if names is None:
        names, size = [f"${symbol}_{{{k + 1}}}$" for k in chosen], 12
    elif all(k in angles for k in chosen):
        names, size = [greek(names[k]) for k in chosen], 14
    else:
        names, size = [_folded(names[k], room) for k in chosen], LETTER
    turns = [k in angles for k in chosen]
    ranges = [TURN if turns[k] else _range(first[:, k]) for k in range(dims)]
    figure, axes = panels(dims, dims, side=side)
    for index, axis in enumerate(axes):
        row, column = divmod(index, dims)
        if row == column:
            _marginals(axis, first[:, row], second[:, row], ranges[row])
        else:
            cloud, colour = (first, TRUTH) if row > column else (second, MODEL)
            scatter(axis, cloud[:, [column, row]], colour, alpha=0.4)
            Window(*ranges[column], *ranges[row]).frame(axis)
        axis.locator_params(nbins=3)
        if turns[column]:
            mark_turn(axis, "x", degrees=degrees, ends=False)
        if turns[row] and row != column:
            mark_turn(axis, "y", degrees=degrees, ends=False)
        axis.tick_params(labelsize=9, labelbottom=row == dims - 1, labelleft=column == 0 != row)
        if row == dims - 1:
            axis.set_xlabel(names[column], fontsize=size)
        if column == 0 and row:
            axis.set_ylabel(names[row], fontsize=size)
        if row == 0 < column == dims - 1:  # the first row begins with a marginal
            axis.tick_params(axis="y", left=False, right=True, labelright=True)
        if dims > 3 and not all(turns):
            axis.tick_params(axis="x", labelrotation=45)
    handles = [Line2D([], [], color=colour, linewidth=4) for colour in (TRUTH, MODEL)]
    letters = 13 if dims > 1 else 11  # a single panel has room for less
    legend = figure.legend(
        handles, labels, loc="outside upper center", ncols=2, fontsize=letters, frameon=False
    )
    if dims < every:
        first_of = "the first " if shown is None else ""
        legend.set_title(f"{first_of}{dims} of {every} {what}", prop=FontProperties(size=12))
    return figure


def _folded(name: str, room: float) -> str:
    """A name in at most `LINES` lines of ``room`` inches; of more, the first and the last."""
    lines = [""]
    for piece in PIECE.findall(name):
        if _width(lines[-1] + piece) > room:
            lines.append("")
        for letter in piece:
            if _width(lines[-1] + letter) > room:
                lines.append("")
            lines[-1] += letter
    lines = [line.strip() for line in lines if line.strip()]
    if len(lines) > LINES:
        lines = [lines[0], "\N{HORIZONTAL ELLIPSIS}", lines[-1]]
    return _plain("\n".join(lines))


def _width(text: str) -> float:
    """Inches that a text takes; matplotlib has no path of blanks."""
    if not text.strip():
        return 0.0
    return float(TextPath((0, 0), _plain(text), size=LETTER).get_extents().width) / 72


def _plain(text: str) -> str:
    """A text that matplotlib shows as it is, also where it would see a formula."""
    return text.replace("$", r"\$")


def _range(values: Float[Tensor, " n"]) -> tuple[float, float]:
    window = window_of(torch.stack([values, values], 1))
    return window.left, window.right


def _marginals(
    axis: Axes, first: Float[Tensor, " n"], second: Float[Tensor, " m"], span: tuple[float, float]
) -> None:
    edges = np.linspace(*span, 41)
    for values, colour, filled in ((first, TRUTH, True), (second, MODEL, False)):
        counts, _ = np.histogram(values[values.isfinite()].double().numpy(), bins=edges)
        heights = counts / (max(len(values), 1) * (edges[1] - edges[0]))
        axis.stairs(
            heights, edges, color=colour, fill=filled, alpha=0.35 if filled else 1.0, linewidth=1.8
        )
    axis.set_xlim(*span)
    axis.set_yticks([])
