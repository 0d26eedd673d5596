"""Bayesian inference of a simulator's parameters by a conditional flow, and how far to trust it.

A simulator makes observations x of parameters theta. One flow q(theta | x), fitted to pairs
(theta, x), gives the posterior of any observation at once: inference is amortised. Whether its
error bars are right is seen without knowing any posterior, from simulations alone: by the ranks of
true parameters among posterior draws (SBC, arXiv:1804.06788), and by how often credible regions
hold the truth (TARP, arXiv:2302.03026).

The posterior then leaves for a program that has no genlab: as a file that plain torch runs.

The simulator here is linear and Gaussian, so that the exact posterior is there to compare with.
Replace `simulate` and `prior` by your own: nothing else knows them.

    python examples/bayesian_inverse.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

import genlab
from genlab.assembly.export.programs import sample_program, save
from genlab.batch import Batch
from genlab.densities import Density
from genlab.evaluation import calibrate
from genlab.evaluation.figures import calibration_figure, save_figures

# What three detectors see of two parameters, and their noise.
RESPONSE = torch.tensor([[1.0, 0.5], [0.0, 1.0], [0.5, -1.0]])
NOISE = 0.5
OBSERVED = torch.tensor([[0.8, -0.4, 1.0]])
FOLDER = Path("outputs/examples")


def prior(n: int, generator: torch.Generator) -> Tensor:
    """Parameters theta ~ N(0, I), ``[n, 2]``."""
    return torch.randn(n, 2, generator=generator)


def simulate(theta: Tensor, generator: torch.Generator) -> Tensor:
    """Observations ``x = A theta + noise``, ``[n, 3]``."""
    return theta @ RESPONSE.T + NOISE * torch.randn(len(theta), 3, generator=generator)


def exact_posterior(x: Tensor) -> torch.distributions.MultivariateNormal:
    """``N(S A^T x / s^2, S)`` with ``S = (I + A^T A / s^2)^{-1}``, the law of theta given x."""
    precision = torch.eye(2) + RESPONSE.T @ RESPONSE / NOISE**2
    mean = x @ torch.linalg.solve(precision, RESPONSE.T / NOISE**2).T
    return torch.distributions.MultivariateNormal(mean, precision_matrix=precision)


def learn(simulations: int, steps: int, generator: torch.Generator) -> Density:
    """A neural spline flow of theta given x, fitted to some simulations."""
    theta = prior(simulations, generator)
    x = simulate(theta, generator)
    flow = genlab.models.NSF(2, context_dim=3, layers=2, hidden=[64, 64])
    return genlab.fit(flow, theta, x, steps=steps, lr=2e-3)


def main(steps: int = 1500) -> dict[str, Density]:
    """Fit two flows, one to enough simulations and one to too few, and judge both alike."""
    generator = torch.Generator().manual_seed(0)
    # Fresh simulations, which neither of the two has seen.
    theta = prior(2000, generator)
    x = simulate(theta, generator)
    exact = exact_posterior(x)

    FOLDER.mkdir(parents=True, exist_ok=True)
    flows = {}
    for simulations in (20_000, 200):
        flow = flows[f"{simulations} simulations"] = learn(simulations, steps, generator)
        found = calibrate(flow, Batch(theta, x), generator=generator)
        assert found is not None
        excess = exact.log_prob(theta).mean() - genlab.score(flow, theta, x).mean()
        print(f"\n{simulations} simulations")
        print(f"  SBC   {found.sbc.value:+.3f} +- {found.sbc.se:.3f}, p = {found.sbc_p_value:.2g}")
        print(f"  TARP  {found.tarp.value:+.3f} +- {found.tarp.se:.3f}, "
              f"p = {found.tarp_p_value:.2g}")  # fmt: skip
        print(f"  nats from the exact posterior: {excess:.3f}")
        save_figures({f"calibration-{simulations}": calibration_figure(found)}, FOLDER)

    draws = flows["20000 simulations"].sample(10_000, OBSERVED, generator=generator)
    right = exact_posterior(OBSERVED)
    print(f"\nthe posterior of x = {OBSERVED[0].numpy()}")
    print(f"  learned  {draws.mean(0).numpy().round(2)} +- {draws.std(0).numpy().round(2)}")
    print(f"  exact    {right.mean[0].numpy().round(2)} +- {right.stddev[0].numpy().round(2)}")
    return flows


def exported(flow: Density, folder: Path) -> Callable[[Tensor, Tensor], Tensor]:
    """The flow as a program, ``(noise [n, 2], x [n, 3]) -> theta [n, 2]``, read from its file."""
    generator = torch.Generator().manual_seed(1)
    theta = prior(100, generator)
    save(sample_program(flow, Batch(theta, simulate(theta, generator)), torch.float32), folder)
    # All that another program needs is this line, and torch.
    return torch.export.load(folder / "sample.pt2").module()


if __name__ == "__main__":
    posterior = exported(main()["20000 simulations"], FOLDER)
    draws = posterior(torch.randn(10_000, 2), OBSERVED.expand(10_000, 3))
    print(f"  exported {draws.mean(0).numpy().round(2)} +- {draws.std(0).numpy().round(2)}")
