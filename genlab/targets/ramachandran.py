"""The backbone angles of proteins: the tables of the Top500 structures as densities."""

from __future__ import annotations

import math
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from genlab.errors import UserError
from genlab.nn.angles import wrap
from genlab.targets.cells import CellDensity
from genlab.targets.quadrature import centred_square, gauss_legendre

__all__ = ["Ramachandran"]

PACKAGE = "ramachandranplot"
# How the header of each table begins: the names of the files are those of other residues.
TITLES = {
    "general": "Top500 General case",
    "glycine": "Top500 Glycine",
    "proline": "Top500 Proline",
    "pre_proline": "Top500 pre-Proline",
}
FEWEST, MOST = 2, 4
"""Sub-points of a cell along each side; fewer see too little of what bends within a cell."""


class Ramachandran(CellDensity):
    """Angles ``(phi, psi)`` of a kind of residue, ``p`` constant on each of 180 x 180 cells.

    ``p(phi, psi) = w_ij / sum w / (pi / 90)^2`` in radians, periodic, with the weights ``w`` of
    Lovell et al., "Structure validation by C-alpha geometry: phi, psi and C-beta deviation"
    (Proteins 50, 2003): smoothed counts in 500 structures of high resolution, of residues whose
    B factors are below 30. The tables lie in the package ramachandranplot.

    References: doi:10.1002/prot.10286.

    >>> import genlab
    >>> target = genlab.targets.Ramachandran("proline")
    >>> target.sample(5).shape, round(target.entropy, 3)
    (torch.Size([5, 2]), 0.548)

    Args:
        residue: ``glycine``, which the table makes symmetric; ``proline``; ``pre_proline``, what
            stands before a proline and is neither; ``general``, all others.

    Raises:
        UserError: The package is not installed, or has no such table.
    """

    coordinates = ("phi", "psi")
    angles = (0, 1)
    degrees = True

    def __init__(
        self, residue: Literal["general", "glycine", "proline", "pre_proline"] = "general"
    ) -> None:
        super().__init__(torch.from_numpy(read_table(residue)), centred_square(math.pi))

    def _log_prob(self, x: Float[Tensor, "n 2"]) -> Float[Tensor, " n"]:
        return super()._log_prob(wrap(x.double())).to(x)

    def quadrature(self, most: int) -> tuple[Float[Tensor, "k 2"], Float[Tensor, " k"]] | None:
        """Nodes of Gauss and Legendre in each cell that has mass: 4 x 4, or 3 x 3, or 2 x 2."""
        row, column = self.log_density.isfinite().nonzero(as_tuple=True)
        side = min(MOST, math.isqrt(most // len(row)))
        if side < FEWEST:
            return None
        along, share = (part.to(self.low) for part in gauss_legendre(0.0, 1.0, side))
        place = torch.stack((row, column), 1)[:, None] + torch.cartesian_prod(along, along)
        mass = (self.log_density[row, column].exp() * self.side.prod())[:, None]
        weights = mass * torch.outer(share, share).flatten()
        return (self.low + self.side * place).flatten(0, 1), weights.flatten()


def read_table(residue: str) -> Float[np.ndarray, "180 180"]:
    """The weights of a kind of residue, row by row along psi.

    Raises:
        UserError: The package is not installed, or has no such table.
    """
    # Not imported: that takes Biopython, which the package does not ask for.
    package = find_spec(PACKAGE)
    if package is None or package.origin is None:
        raise UserError(
            f"residue={residue}: the package {PACKAGE} has these tables; pip install {PACKAGE}"
        )
    folder = Path(package.origin).parent / "data"
    for path in sorted(folder.glob("*.data")):
        with path.open(encoding="ascii") as file:
            if TITLES[residue] in next(file):
                weights = np.array([line.rsplit(None, 1)[1] for line in islice(file, 5, None)])
                return weights.astype(np.float64).reshape(180, 180)
    raise UserError(f"residue={residue}: the package {PACKAGE} holds no such table in {folder}")
