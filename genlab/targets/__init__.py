"""What is learned: toys, energies and images with exact densities, and the user's own."""

from genlab.targets.checkerboard import Checkerboard
from genlab.targets.curves import Moons, SwissRoll
from genlab.targets.custom import Custom
from genlab.targets.energies import U1, U2, U3, U4, Energy
from genlab.targets.exact import ExactTarget
from genlab.targets.gaussians import Funnel, Gaussian
from genlab.targets.image_density import ImageDensity
from genlab.targets.mixtures import Diamond, EightGaussians
from genlab.targets.pinwheel import Pinwheel
from genlab.targets.plane import Abs, Banana, Crescent, Cubed, Sign, Sine
from genlab.targets.rings import Circles, FourCircles, Rings
from genlab.targets.rough import rough_samples
from genlab.targets.spirals import TwoSpirals
from genlab.targets.target import Target
from genlab.targets.torus import Torus
from genlab.targets.wells import DoubleWell, MuellerBrown

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
    "ImageDensity",
    "Moons",
    "MuellerBrown",
    "Pinwheel",
    "Rings",
    "Sign",
    "Sine",
    "SwissRoll",
    "Target",
    "Torus",
    "TwoSpirals",
    "rough_samples",
]
