"""The tables of the Top500 structures: which is which, what their rule integrates, and its KL."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from genlab.densities.base import Cylinder
from genlab.errors import UserError
from genlab.evaluation import kl
from genlab.targets import Ramachandran, Target, ramachandran
from genlab.targets.ramachandran import TITLES

TURN = 2 * math.pi


@pytest.mark.parametrize("residue", TITLES)
def test_a_model_that_knows_nothing_is_as_far_off_as_the_entropy_says(residue: str) -> None:
    target = Ramachandran(residue)
    uniform = Cylinder((2,))
    found = kl(uniform, target, generator=torch.Generator().manual_seed(0))
    assert target.entropy is not None
    assert found.value == pytest.approx(2 * math.log(TURN) - target.entropy, abs=1e-6)
    assert found.se == 0


def test_the_rule_integrates_what_is_smooth_within_a_cell() -> None:
    """Against the integrals of ``cos(phi - 2 psi)`` over each cell in closed form."""
    target = Ramachandran("glycine")
    p = target.log_density.exp().numpy()
    low = -math.pi + TURN / 180 * np.arange(180)
    high = low + TURN / 180

    def corner(phi: np.ndarray, psi: np.ndarray) -> np.ndarray:
        return np.cos(phi[:, None] - 2 * psi) / 2

    cells = corner(high, high) - corner(low, high) - corner(high, low) + corner(low, low)
    for most, tolerance in ((10**7, 1e-13), (2 * 10**5, 1e-9)):
        rule = target.quadrature(most)
        assert rule is not None
        x, weight = rule
        assert len(x) <= most
        assert weight.sum() == pytest.approx(1, abs=1e-12)
        found = float(weight @ torch.cos(x[:, 0] - 2 * x[:, 1]))
        assert found == pytest.approx((p * cells).sum(), abs=tolerance)
    assert target.quadrature(4 * 25_067) is None
    assert Target.quadrature(target, 10**7) is None


def test_the_first_coordinate_is_phi() -> None:
    """Proline's ring holds phi near -65 degrees; psi has two regions."""
    x = torch.rad2deg(Ramachandran("proline").sample(20_000))
    assert x[:, 0].mean() == pytest.approx(-67, abs=3)
    assert x[:, 0].std() < 15 < 60 < x[:, 1].std()


def test_angles_are_known_up_to_full_turns() -> None:
    target = Ramachandran()
    x = target.sample(100).double()
    turns = TURN * torch.tensor([1.0, -2.0], dtype=torch.float64)
    torch.testing.assert_close(target.log_prob(x + turns), target.log_prob(x))
    edge = torch.tensor([[math.pi, 2.5], [-math.pi, 2.5]], dtype=torch.float64)
    assert len(set(target.log_prob(edge).tolist())) == 1


def test_samples_stay_in_the_cells_that_they_were_drawn_in() -> None:
    x = Ramachandran("proline").sample(400_000)
    assert Ramachandran("proline").log_prob(x).isfinite().all()


def test_what_is_missing_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(ramachandran, "TITLES", {**TITLES, "general": "Top8000"})
    with pytest.raises(UserError, match="residue=general: the package ramachandranplot holds no"):
        Ramachandran()
    monkeypatch.setattr(ramachandran, "find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"residue=glycine: .* pip install ramachandranplot"):
        Ramachandran("glycine")
