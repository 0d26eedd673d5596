"""A table as of particle physics: what transforms of columns are worth, against its exact law."""

from __future__ import annotations

import sys

import numpy as np
import pandas as pd
import pytest
from collisions import CHANNELS, TRANSFORMS, collisions, log_prob

import genlab

SAMPLES = 100_000


def outside(frame: pd.DataFrame) -> float:
    """The share of rows that no event can be."""
    good = (frame["pt"] > 0) & frame["eta"].between(-2.5, 2.5) & (frame["jets"] >= 0)
    good &= frame["phi"].between(-np.pi, np.pi) & frame["tagged"].isin([0, 1])
    return 1 - (good & frame["channel"].isin([*CHANNELS, 0, 1, 2])).mean()


def compare(n: int, steps: int, family: str) -> dict[str, tuple[float, float, float]]:
    """Nats above the exact law with their error, and the share of samples outside the support."""
    events, test = collisions(n, 1), collisions(4000, 2)
    numbers = [
        one.assign(tagged=one["tagged"].astype(int), channel=one["channel"].map(CHANNELS.index))
        for one in (events, test)
    ]
    ways = {
        # Noise alone, as what is discrete needs it to have a density.
        "without": (*numbers, {"integer": ["jets", "tagged", "channel"]}),
        "with": (events, test, TRANSFORMS),
    }
    if family == "realnvp":  # it knows no angles
        bounds = {**TRANSFORMS["bounds"], "phi": [-np.pi, np.pi]}
        ways["with"] = (events, test, {**TRANSFORMS, "circular": [], "bounds": bounds})
    exact, found = log_prob(test), {}
    for name, (train, held, transforms) in ways.items():
        columns = genlab.columns(train.drop(columns="weight"), **transforms)
        model: genlab.densities.Density = genlab.models.RealNVP(columns.dim)
        if columns.angles:
            model = genlab.models.CircularNSF(columns.dim, circular=columns.angles)
        elif family == "nsf":
            model = genlab.models.NSF(columns.dim)
        genlab.fit(model, train, weight=train["weight"], columns=columns, steps=steps)
        lost = exact - genlab.score(model, held, columns=columns)
        frame = columns.frame(model.sample(SAMPLES))
        assert frame.dtypes.equals(train.drop(columns="weight").dtypes)
        error = lost.std() / np.sqrt(len(lost))
        found[name] = float(lost.mean()), float(error), outside(frame)
    return found


@pytest.mark.slow
def test_no_sample_is_outside_and_nats_are_gained() -> None:
    found = compare(20_000, 400, "nsf")
    assert found["with"][2] == 0
    assert found["without"][2] > 0.005
    assert -0.05 < found["with"][0] < found["without"][0]


if __name__ == "__main__":
    rows, steps, family = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    for name, (lost, error, share) in compare(rows, steps, family).items():
        print(f"{name}: {lost:.4f} +- {error:.4f} nats above the law, {share:.3%} outside")
