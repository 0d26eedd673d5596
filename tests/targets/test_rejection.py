"""The envelope that energies are sampled from."""

from __future__ import annotations

import pytest
import torch

from genlab.targets import U1, DoubleWell, MuellerBrown
from genlab.targets.energies import SmoothEnergy
from genlab.targets.rejection import GridEnvelope

every = pytest.mark.parametrize("energy", [U1, DoubleWell, MuellerBrown])


@every
def test_the_envelope_lies_above_the_density(energy: type[SmoothEnergy]) -> None:
    target = energy()
    low, high = torch.tensor(target.box, dtype=torch.float64).T
    x = low + (high - low) * torch.rand(1_000_000, 2, dtype=torch.float64)
    # Places where the density is large, and the corners and edges of cells.
    dense = target.sample(200_000).double()
    corners = low + target.envelope.cell * ((dense - low) / target.envelope.cell).round()
    x = torch.cat((x, dense, corners))
    index = ((x - low) / target.envelope.cell).floor().clamp(0, 255).long()
    steps = target.envelope.log_step[index[:, 0] * 256 + index[:, 1]]
    assert (-target.energy(x) <= steps + 1e-9).all()


@every
def test_most_proposals_are_accepted(energy: type[SmoothEnergy]) -> None:
    target = energy()
    x, cell = target.envelope._propose(100_000, None)
    accepted = (-target.energy(x) - target.envelope.log_step[cell]).exp().mean()
    assert accepted > 0.8


def test_a_cone_and_its_tip() -> None:
    def log_density(x: torch.Tensor) -> torch.Tensor:
        return -10 * torch.linalg.vector_norm(x - 0.001, dim=1)

    envelope = GridEnvelope(log_density, ((-4.0, 4.0), (-4.0, 4.0)))
    x = envelope.sample(log_density, 200_000, torch.Generator().manual_seed(0))
    distance = torch.linalg.vector_norm(x - 0.001, dim=1)
    # The radius of e^{-10 r} in the plane is Gamma(2, 1/10): mean .2, variance .02.
    assert abs(float(distance.mean()) - 0.2) < 4 * (0.02 / len(x)) ** 0.5
