"""Targets to learn: toys, energies, images and fields with exact densities, and the user's own."""

from genlab.targets.cells import Checkerboard, ImageDensity
from genlab.targets.curves import Moons, SwissRoll, TwoSpirals
from genlab.targets.custom import Custom
from genlab.targets.energies import U1, U2, U3, U4, DoubleWell, Energy, MuellerBrown
from genlab.targets.exact import ExactTarget
from genlab.targets.gaussian_field import GaussianField
from genlab.targets.gaussians import Diamond, EightGaussians, Funnel, Gaussian
from genlab.targets.kolmogorov import Kolmogorov
from genlab.targets.pinwheel import Pinwheel
from genlab.targets.plane import Abs, Banana, Crescent, Cubed, Sign, Sine
from genlab.targets.ramachandran import Ramachandran
from genlab.targets.rings import Circles, FourCircles, Rings
from genlab.targets.rough import rough_samples
from genlab.targets.target import Target
from genlab.targets.torus import Torus
from genlab.targets.turbulence import Turbulence

__all__ = [
    "U1",
    "U2",
    "U3",
    "U4",
    "Abs",
    "Banana",
    "Checkerboard",
    "Circles",
    "Crescent",
    "Cubed",
    "Custom",
    "Diamond",
    "DoubleWell",
    "EightGaussians",
    "Energy",
    "ExactTarget",
    "FourCircles",
    "Funnel",
    "Gaussian",
    "GaussianField",
    "ImageDensity",
    "Kolmogorov",
    "Moons",
    "MuellerBrown",
    "Pinwheel",
    "Ramachandran",
    "Rings",
    "Sign",
    "Sine",
    "SwissRoll",
    "Target",
    "Torus",
    "Turbulence",
    "TwoSpirals",
    "rough_samples",
]
