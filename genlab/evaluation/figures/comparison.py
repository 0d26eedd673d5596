"""What several models make of one target."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from genlab.densities.density import Density
from genlab.evaluation.figures.density import model_density, show_density, target_density
from genlab.evaluation.figures.style import panels
from genlab.evaluation.figures.window import Window
from genlab.targets.target import Target

__all__ = ["comparison_figure"]

COLUMNS = 5


def comparison_figure(target: Target, models: Mapping[str, Density], *, size: int = 160) -> Figure:
    """The true density and each model's, all in the same colours.

    Args:
        target: What the models should be; shown on ``[-bound, bound]^2``.
        models: Densities on the plane, under their titles.
        size: Grid points a side.
    """
    window = Window(-target.bound, target.bound, -target.bound, target.bound)
    truth = target_density(target, window, size)
    maps = {"True density": truth}
    maps |= {name: model_density(model, window, size) for name, model in models.items()}
    columns = min(COLUMNS, len(maps))
    figure, axes = panels(math.ceil(len(maps) / columns), columns, side=2.6)
    for axis, (title, values) in zip(axes, maps.items(), strict=False):
        show_density(axis, values, window, top=float(np.nanmax(truth)), title=title)
        axis.set_xticks([])
        axis.set_yticks([])
    for axis in axes[len(maps) :]:
        axis.set_axis_off()
    return figure
