"""Hold ``components=auto`` against the best BIC known, on three parallel cigars of 300 rows.

Ten layouts (angle, gap and length are drawn), three seeds each for the rows and for what a fit
draws. Beside the BIC that auto ends with stand that of EM from the true parts, and the best of 200
random starts of three Gaussians, each followed until EM has converged; a start that leaves a
Gaussian fewer rows than parameters does not count. Differences are auto's excess in nats.

    python scripts/auto_components.py [--file auto_components.json]

Results are kept in the file, a case a line: started again, it goes on behind the last one.
"""

from __future__ import annotations

import argparse
import json
import math
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from genlab.batch import Batch
from genlab.bijections import Standardise
from genlab.densities.mixture_parameters import starts
from genlab.densities.mixtures import Mixtures, precision_root
from genlab.models import GMM
from genlab.objectives import MixtureFit
from genlab.objectives.expectation_maximisation import maximisation, sweep

LAYOUTS, SEEDS = 10, 3
ROWS, PARTS = 300, 3
STARTS, PASSES = 200, 400
TOLERANCE = 1e-7


class Layout(NamedTuple):
    """Three Gaussians of deviation 1 across, ``length`` along, ``gap`` apart."""

    angle: float
    gap: float
    length: float

    @classmethod
    def drawn(cls, number: int) -> Layout:
        angle, gap, length = torch.rand(3, generator=torch.Generator().manual_seed(number)).tolist()
        return cls(math.pi * angle, 4 + 6 * gap, 5 * 6**length)

    def parts(self) -> tuple[Tensor, Tensor]:
        """Means ``[3, 2]`` and the covariance that all share."""
        along = torch.tensor([math.cos(self.angle), math.sin(self.angle)]).double()
        across = torch.stack((-along[1], along[0]))
        means = self.gap * torch.tensor([[-1.0], [0.0], [1.0]]).double() * across
        return means, self.length**2 * along.outer(along) + across.outer(across)

    def rows(self, seed: int) -> Tensor:
        generator = torch.Generator().manual_seed(1000 + seed)
        means, covariance = self.parts()
        noise = torch.randn(ROWS, 2, generator=generator, dtype=torch.float64)
        return means.repeat(ROWS // PARTS, 1) + noise @ torch.linalg.cholesky(covariance).mT


def bic(mixtures: Mixtures, x: Tensor) -> Tensor:
    """Of each mixture, converged on the rows; infinite where a Gaussian has too few of them."""
    weight = torch.ones(len(mixtures.means), len(x)).double()
    free = mixtures.means.shape[1] * 6 - 1
    loss = torch.full((len(weight),), math.inf).double()
    for _ in range(PASSES):
        statistics, _ = sweep(mixtures, x, weight)
        gain, loss = (
            loss + statistics.log_likelihood / len(x),
            -statistics.log_likelihood / len(x),
        )
        if (gain.abs() < TOLERANCE).all():
            break
        mixtures = maximisation(mixtures, statistics, "full", floor=1e-6)
    found = free * math.log(len(x)) + 2 * len(x) * loss
    return found.where(statistics.counts.amin(1) >= 6, math.inf)


def references(layout: Layout, x: Tensor, seed: int) -> tuple[float, float]:
    """From the true parts, and the best of the random starts."""
    means, covariance = layout.parts()
    true = Mixtures(
        torch.full((1, PARTS), -math.log(PARTS)).double(),
        means[None],
        precision_root(covariance).expand(1, PARTS, 2, 2),
    )
    # In standardised units as all is here: a mixture's BIC differs by a constant only.
    torch.manual_seed(seed)
    scale = x.std(0, correction=0)
    z = (x - x.mean(0)) / scale
    weight = torch.ones(STARTS, len(x)).double()
    random = starts(z, weight, PARTS, "random", "full", floor=1e-6)
    of_random = bic(random, z).min() + 2 * len(x) * scale.log().sum()
    return bic(true, x).item(), of_random.item()


def by_auto(x: Tensor, seed: int) -> tuple[float, int, float]:
    """The BIC that it ends with, the number of Gaussians, and the seconds of processor."""
    torch.manual_seed(seed)
    model = GMM(2, components="auto").double()
    model.preprocessing = Standardise((2,)).double()
    batch, begun = Batch(x), time.process_time()
    model.initialise(x)
    fit = MixtureFit(model)
    fit.start(batch)
    while not fit.done:
        fit.observe(batch)
        fit.advance()
    seconds = time.process_time() - begun
    return model.bic(batch), fit.present.means.shape[1], seconds


def case(number: int, seed: int) -> dict[str, float]:
    layout = Layout.drawn(number)
    x = layout.rows(seed)
    of_true, of_random = references(layout, x, seed)
    of_auto, count, seconds = by_auto(x, seed)
    return {
        "layout": number,
        "seed": seed,
        "auto": of_auto,
        "true": of_true,
        "random": of_random,
        "components": count,
        "seconds": seconds,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", type=Path, default=Path("auto_components.json"))
    path = parser.parse_args().file
    torch.set_num_threads(1)
    lines = path.read_text().splitlines() if path.exists() else []
    found = [json.loads(line) for line in lines]
    known = {(one["layout"], one["seed"]) for one in found}
    for number in range(LAYOUTS):
        for seed in range(SEEDS):
            if (number, seed) not in known:
                found.append(case(number, seed))
                with path.open("a") as file:
                    file.write(json.dumps(found[-1]) + "\n")
    print("layout  angle   gap  length  seed  parts  above true  above random  seconds")
    for one in found:
        angle, gap, length = Layout.drawn(one["layout"])
        print(
            f"{one['layout']:6} {angle:6.2f} {gap:5.1f} {length:7.1f} {one['seed']:5} "
            f"{one['components']:6} {one['auto'] - one['true']:11.2f} "
            f"{one['auto'] - one['random']:13.2f} {one['seconds']:8.2f}"
        )
    worst = [max(one["auto"] - one[key] for one in found) for key in ("true", "random")]
    seconds = sorted(one["seconds"] for one in found)[len(found) // 2]
    print(
        f"worst: {worst[0]:.2f} above true, {worst[1]:.2f} above random; {seconds:.2f} s in median"
    )


if __name__ == "__main__":
    main()
