"""Fields on the periodic square: their modes, spectra, and Gaussian laws."""

from genlab.fields.gaussian import filtered, gaussian_entropy, gaussian_log_prob, power
from genlab.fields.grid import (
    ModeClasses,
    averaged,
    class_means,
    class_sums,
    mode_classes,
    squared_wavenumber,
    wavenumbers,
)
from genlab.fields.navier_stokes import NavierStokes
from genlab.fields.observation import block_means, block_shares, block_spectrum
from genlab.fields.spectra import (
    Kraichnan,
    Matern,
    PowerLaw,
    RadialSpectrum,
    Spectrum,
    SpectrumMixture,
)
from genlab.fields.statistics import (
    Quantity,
    energy,
    enstrophy,
    enstrophy_flux,
    increments,
    spectrum,
    structure_functions,
    velocity,
    vorticity,
)
from genlab.fields.symmetries import KOLMOGOROV, SQUARE, Symmetries
from genlab.fields.time_steps import advance, choose_steps, runge_kutta, stable_steps

__all__ = [
    "KOLMOGOROV",
    "SQUARE",
    "Kraichnan",
    "Matern",
    "ModeClasses",
    "NavierStokes",
    "PowerLaw",
    "Quantity",
    "RadialSpectrum",
    "Spectrum",
    "SpectrumMixture",
    "Symmetries",
    "advance",
    "averaged",
    "block_means",
    "block_shares",
    "block_spectrum",
    "choose_steps",
    "class_means",
    "class_sums",
    "energy",
    "enstrophy",
    "enstrophy_flux",
    "filtered",
    "gaussian_entropy",
    "gaussian_log_prob",
    "increments",
    "mode_classes",
    "power",
    "runge_kutta",
    "spectrum",
    "squared_wavenumber",
    "stable_steps",
    "structure_functions",
    "velocity",
    "vorticity",
    "wavenumbers",
]
