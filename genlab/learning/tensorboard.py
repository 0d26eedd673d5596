"""What a finished run adds to its loggers: figures, results, and TensorBoard's row of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt8
from lightning.pytorch.loggers import Logger, TensorBoardLogger
from matplotlib.figure import Figure

from genlab.evaluation.figures.layout import PanelLayout
from genlab.evaluation.figures.pixels import encode_png, figure_to_image
from genlab.evaluation.figures.style import CARD
from genlab.learning.loggers.run_logger import RunLogger
from genlab.runs.settings import spell

__all__ = ["lay_out_as_card", "log_figures", "log_results"]

# Tags that have been curves all along: a last point of another meaning would spoil them.
CURVES = ("train/", "val/", "time/steps_per_second")
# How the name of the file ends that holds a run's row of hyperparameters.
SESSION = ".hparams"

DPI = 150
ABREAST = 2
"""Panels beside each other on a card."""
WRAPPED = 12
"""Panels that are still seen below each other."""


def log_figures(loggers: Iterable[Logger], figures: Mapping[str, Figure], step: int) -> None:
    """Log each figure as the image of its name; they are laid out anew for it."""
    from torch.utils.tensorboard import SummaryWriter

    shown = list(loggers)
    others = [logger for logger in shown if isinstance(logger, RunLogger)]
    boards = (logger.experiment for logger in shown if isinstance(logger, TensorBoardLogger))
    # Of processes that train together, the others have a stand-in for it.
    writers = [board for board in boards if isinstance(board, SummaryWriter)]
    for name, figure in figures.items() if writers or others else ():
        lay_out_as_card(figure)
        pixels = figure_to_image(figure)
        for logger in others:
            logger.log_figure(name, pixels, step)
        summary = _image(name, pixels) if writers else None
        for writer in writers:
            # Its `add_image` would turn the pixels into floats and back, and pack them slowly.
            writer._get_file_writer().add_summary(summary, step)


def _image(name: str, pixels: UInt8[np.ndarray, "height width 3"]) -> Any:
    from tensorboard.compat.proto.summary_pb2 import Summary  # type: ignore[import-untyped]

    height, width, _ = pixels.shape
    image = Summary.Image(
        height=height, width=width, colorspace=3, encoded_image_string=encode_png(pixels, dpi=DPI)
    )
    return Summary(value=[Summary.Value(tag=name, image=image)])


def lay_out_as_card(figure: Figure) -> None:
    """Make a figure so narrow that its words can be read on one of TensorBoard's cards.

    Panels with titles are wrapped into two columns, or left as they are where they would be too
    many below each other; all else becomes smaller, and its words do not.
    """
    width, height = figure.get_size_inches()
    placed = [axis for axis in figure.axes if axis.get_visible()]
    specs = [axis.get_subplotspec() for axis in placed]
    grids = {None if spec is None else spec.get_gridspec() for spec in specs}
    grid = grids.pop() if len(grids) == 1 else None
    if grid is not None and grid.ncols > ABREAST and any(axis.get_title() for axis in placed):
        if len(placed) > WRAPPED:
            return
        rows = -(-len(placed) // ABREAST)
        width, height = width * ABREAST / grid.ncols, height * rows / grid.nrows
        wrapped = figure.add_gridspec(rows, ABREAST)
        for index, axis in enumerate(placed):
            axis.set_subplotspec(wrapped[divmod(index, ABREAST)])
    scale = min(1.0, CARD / width)
    if isinstance(engine := figure.get_layout_engine(), PanelLayout):
        engine.keep()
    figure.set_size_inches(scale * width, scale * height)
    figure.set_dpi(DPI)


def log_results(
    loggers: Iterable[Logger],
    hyperparameters: Mapping[str, object],
    metrics: Mapping[str, float | None],
    step: int,
) -> None:
    """Log the final metrics as scalars, and the hyperparameters as the run's row.

    Each scalar of a run is a metric in TensorBoard's table of hyperparameters: these, and the last
    point of each curve.

    Args:
        loggers: Where to.
        hyperparameters: Settings by the names of their columns; those that are None have no cell.
        metrics: Metrics by tag; those that are not finite are left out.
        step: The last training step.
    """
    final = {
        key: value
        for key, value in metrics.items()
        if value is not None and not key.startswith(CURVES)
    }
    for logger in loggers:
        logger.log_metrics(final, step=step)
        logger.save()
        if isinstance(logger, TensorBoardLogger):
            _write_session(Path(logger.log_dir), hyperparameters)
            # The Trainer has closed it behind the training, and each of these has opened it anew.
            logger.experiment.close()


def _write_session(folder: Path, hyperparameters: Mapping[str, object]) -> None:
    """Write a run's row of hyperparameters, in place of the one that it had before it went further.

    It has a file of its own, as the first row of a run is the one that TensorBoard shows. What
    TensorBoard calls the experiment is left out: it takes the columns of all runs from the first
    one that it finds, and finds out types and ranges by itself where there is none.
    """
    from torch.utils.tensorboard import FileWriter
    from torch.utils.tensorboard.summary import hparams

    for path in folder.glob(f"*{SESSION}"):
        path.unlink()
    cells = {key: _cell(value) for key, value in hyperparameters.items()}
    _, *session = hparams(cells, {})
    with closing(FileWriter(str(folder), filename_suffix=SESSION)) as writer:
        for summary in session:
            writer.add_summary(summary)


def _cell(value: object) -> object:
    """A number or None as it is, anything else as text: torch would make a number of true."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if value is None or is_number else spell(value)
