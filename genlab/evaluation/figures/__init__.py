"""Figures of a model, drawn without a display; one layout for every family."""

from genlab.evaluation.figures.comparison import comparison_figure
from genlab.evaluation.figures.density import density_panel
from genlab.evaluation.figures.gallery import draw
from genlab.evaluation.figures.image import save_figures
from genlab.evaluation.figures.image_samples import image_panel
from genlab.evaluation.figures.paths import animate_paths

__all__ = [
    "animate_paths",
    "comparison_figure",
    "density_panel",
    "draw",
    "image_panel",
    "save_figures",
]
