"""Fields on the periodic square: their modes, spectra, and Gaussian laws."""

from genlab.fields.gaussian import filtered, gaussian_entropy, gaussian_log_prob, power
from genlab.fields.grid import (
    ModeClasses,
    averaged,
    class_means,
    mode_classes,
    squared_wavenumber,
    wavenumbers,
)
from genlab.fields.observation import block_means, block_spectrum, spread_over_blocks
from genlab.fields.spectra import (
    Kraichnan,
    Matern,
    PowerLaw,
    RadialSpectrum,
    Spectrum,
    SpectrumMixture,
)

__all__ = [
    "Kraichnan",
    "Matern",
    "ModeClasses",
    "PowerLaw",
    "RadialSpectrum",
    "Spectrum",
    "SpectrumMixture",
    "averaged",
    "block_means",
    "block_spectrum",
    "class_means",
    "filtered",
    "gaussian_entropy",
    "gaussian_log_prob",
    "mode_classes",
    "power",
    "spread_over_blocks",
    "squared_wavenumber",
    "wavenumbers",
]
