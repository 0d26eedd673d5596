"""Collocation samplers: where the residual of a PDE is looked at.

Which family serves which sampler, and by which objective it learns unless another is chosen:

| family | das | bootstrap | aas |
|---|---|---|---|
| nice, realnvp, krnet, resflow, nsf | likelihood, in the box | the same | descent on the game |
| cnf | likelihood with priced paths, in the box | the same | descent on the game, slow |
| flow-matching | regression on weighted rows, in the box | the same | descent on the game, slow |
| gmm | EM with weights; rejection | EM; rejection | descent on the game |
| vae | evidence bound; rejection; its log q is a bound | the same | refused: no exact density |

uniform, lhs, sobol, rad, rar_d and r3 have no model.
"""

from genlab.samplers.aas import AAS
from genlab.samplers.bootstrap import Bootstrap
from genlab.samplers.das import DAS
from genlab.samplers.fitting import Descent
from genlab.samplers.residual_based import R3, RAD, RARD
from genlab.samplers.sampler import Indicator, Points, Sampler
from genlab.samplers.uniform import LatinHypercube, Sobol, UniformSampler

__all__ = [
    "AAS",
    "DAS",
    "R3",
    "RAD",
    "RARD",
    "Bootstrap",
    "Descent",
    "Indicator",
    "LatinHypercube",
    "Points",
    "Sampler",
    "Sobol",
    "UniformSampler",
]
