"""What a finished run adds to TensorBoard: its figures, and one row of hyperparameters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from jaxtyping import UInt8
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from genlab.runs.settings import LATE, SILENT

__all__ = ["figure_to_image", "log_figures", "log_results"]

# Tags that have been curves all along: a last point of another meaning would spoil them.
CURVES = ("train/", "val/", "time/steps_per_second")


def figure_to_image(figure: Figure) -> UInt8[np.ndarray, "height width 3"]:
    """Render a figure at its own resolution: RGB rows from the top, for TensorBoard ("HWC")."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
    return np.array(pixels)[..., :3]


def log_figures(loggers: Iterable[Logger], figures: Mapping[str, Figure], step: int) -> None:
    """Log each figure as the image of its name."""
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            for name, figure in figures.items():
                logger.experiment.add_image(name, figure_to_image(figure), step, dataformats="HWC")


def log_results(
    loggers: Iterable[Logger],
    hyperparameters: Mapping[str, object],
    metrics: Mapping[str, float | None],
    step: int,
) -> None:
    """Log the final metrics as scalars, and beside the hyperparameters as the run's row.

    Args:
        loggers: Where to.
        hyperparameters: The flat configuration.
        metrics: Metrics by tag; those that are not finite are left out.
        step: The last training step.
    """
    final = {
        key: value
        for key, value in metrics.items()
        if value is not None and not key.startswith(CURVES)
    }
    # Columns that would only hide the others.
    settings = {
        key: value
        for key, value in hyperparameters.items()
        if not (SILENT.fullmatch(key) or LATE.fullmatch(key))
    }
    for logger in loggers:
        if isinstance(logger, TensorBoardLogger):
            logger.log_hyperparams(settings, final, step=step)
        else:
            logger.log_metrics(final, step=step)
        logger.save()
