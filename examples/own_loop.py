"""A training loop of one's own: plain torch, of which genlab supplies the model and the loss.

`genlab.fit` and `genlab train` are loops like this one. Write your own where you want to see every
step: a loss of several terms, two models that take turns, a schedule that nobody has thought of.
An objective is one principle of learning, ``loss(model, batch)``; the loop below serves a flow by
maximum likelihood and one by flow matching alike, and in the end the exact density of the target
says how many nats each of them lacks.

    python examples/own_loop.py
"""

from __future__ import annotations

import torch

import genlab
from genlab.densities import Density
from genlab.evaluation import kl
from genlab.objectives import MaximumLikelihood, Objective, VelocityRegression
from genlab.targets import Target


def train(
    model: Density, objective: Objective, target: Target, *, steps: int, generator: torch.Generator
) -> None:
    """Steps of Adam on fresh samples of the target, at a rate that falls to 0."""
    # What starts from data: standardisation, actnorm layers.
    first = target.draw(4096, generator=generator)
    objective.adopt(model)
    model.initialise(first.x)
    objective.start(model, first)

    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    model.train()
    for step in range(steps):
        batch = target.draw(256, generator=generator)  # a Batch of x, context and weight
        loss = objective.loss(model, batch)

        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        schedule.step()
        if step % (steps // 5) == 0:
            print(f"  step {step:5}  loss {loss.item():.3f}")
    model.eval()


def main(steps: int = 2000) -> dict[str, float]:
    """Two families, two principles, one loop."""
    target = genlab.targets.Moons()
    lessons: dict[str, tuple[Density, Objective]] = {
        "realnvp": (genlab.models.RealNVP(2), MaximumLikelihood()),
        "flow-matching": (genlab.models.FlowMatching(2), VelocityRegression()),
    }
    lacking = {}
    for name, (model, objective) in lessons.items():
        print(f"\n{name}, {type(objective).__name__}")
        generator = torch.Generator().manual_seed(0)
        torch.manual_seed(0)  # flow matching draws its times from torch's own generator
        train(model, objective, target, steps=steps, generator=generator)
        # Log-densities of an ODE are slow: fewer samples.
        n = min(20_000, model.test_samples // 5)
        found = kl(model, target, n=n, generator=generator)
        lacking[name] = found.value
        print(f"  {found.value:.3f} +- {found.se:.3f} nats above the optimum")
    return lacking


if __name__ == "__main__":
    main()
