"""Square panels of a figure that is drawn without a display, and without waiting for torch."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

__all__ = ["panels"]


def panels(rows: int, columns: int, *, side: float) -> tuple[Figure, list[Axes]]:
    """A figure of panels, row by row.

    Args:
        rows: Number of rows.
        columns: Number of columns.
        side: Width and height of a panel with its labels, in inches.
    """
    figure = Figure(figsize=(side * columns, side * rows), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False).flat)
