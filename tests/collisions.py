"""A table as of particle physics whose law is known: columns of every kind that depend on each
other.

``python tests/collisions.py FILE.csv [N]`` writes one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import special, stats

__all__ = ["CHANNELS", "TRANSFORMS", "collisions", "log_prob"]

CHANNELS = ("ee", "emu", "mumu")
TRANSFORMS: dict[str, Any] = {
    "log": ["pt"],
    "bounds": {"eta": [-2.5, 2.5], "jets": [0, None]},
    "circular": ["phi"],
    "integer": ["jets"],
    "categories": ["tagged", "channel"],
}


def collisions(n: int, seed: int = 0) -> pd.DataFrame:
    """Events, with a transverse momentum above 0, a pseudorapidity within the detector, an azimuth,
    a number of jets, whether one is tagged, a channel, and a weight that depends on nothing.
    """
    draw = np.random.default_rng(seed)
    pt = np.exp(draw.normal(3.5, 0.6, n))
    eta = 5 * draw.beta(2, 2, n) - 2.5
    phi = draw.vonmises(eta, 1.5)
    jets = draw.poisson(_rate(pt))
    tagged = draw.random(n) < special.expit(jets - 2)
    shares = _shares(eta, tagged).cumsum(1)
    channel = (draw.random(n)[:, None] > shares[:, :-1]).sum(1)
    return pd.DataFrame(
        {
            "pt": pt,
            "eta": eta,
            "phi": phi,
            "jets": jets,
            "tagged": tagged,
            "channel": np.array(CHANNELS)[channel],
            "weight": np.exp(draw.normal(0, 0.3, n)),
        }
    )


def log_prob(events: pd.DataFrame) -> np.ndarray:
    """Their log-density in nats: a mass in what is discrete, per GeV and radian in the others."""
    pt, eta = events["pt"].to_numpy(), events["eta"].to_numpy()
    jets, tagged = events["jets"].to_numpy(), events["tagged"].to_numpy(bool)
    channel = events["channel"].map(CHANNELS.index).to_numpy()
    return (
        stats.lognorm.logpdf(pt, 0.6, scale=np.exp(3.5))
        + stats.beta.logpdf(eta, 2, 2, loc=-2.5, scale=5)
        + stats.vonmises.logpdf(events["phi"].to_numpy(), 1.5, loc=eta)
        + stats.poisson.logpmf(jets, _rate(pt))
        + special.log_expit((jets - 2) * (2 * tagged - 1))
        + np.log(_shares(eta, tagged)[np.arange(len(pt)), channel])
    )


def _rate(pt: np.ndarray) -> np.ndarray:
    return 1 + pt / 40


def _shares(eta: np.ndarray, tagged: np.ndarray) -> np.ndarray:
    """Of each channel."""
    return special.softmax(np.stack([eta, 1.5 * tagged, -0.5 * eta], 1), 1)


if __name__ == "__main__":
    collisions(int(*sys.argv[2:] or ["20000"])).to_csv(Path(sys.argv[1]), index=False)
