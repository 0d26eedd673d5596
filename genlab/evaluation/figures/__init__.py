"""Figures of a model, drawn without a display; one layout for every family."""

from genlab.evaluation.figures.calibration import calibration_figure
from genlab.evaluation.figures.fields import animate_fields, field_panel
from genlab.evaluation.figures.gallery import Scene, draw, draws, save_figures, save_samples
from genlab.evaluation.figures.images import image_panel
from genlab.evaluation.figures.paths import animate_paths
from genlab.evaluation.figures.plane import comparison_figure, density_panel
from genlab.evaluation.figures.shown import Figures

__all__ = [
    "Figures",
    "Scene",
    "animate_fields",
    "animate_paths",
    "calibration_figure",
    "comparison_figure",
    "density_panel",
    "draw",
    "draws",
    "field_panel",
    "image_panel",
    "save_figures",
    "save_samples",
]
