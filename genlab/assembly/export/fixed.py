"""Models in a fixed number of operations, as many as the difference from the exact ones needs."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn

from genlab.assembly.export.noise import Noise, UnexportableError, noise_of, sample_from
from genlab.assembly.export.residual import FixedBlocks
from genlab.batch import Batch
from genlab.bijections.ode import ODE
from genlab.bijections.residual import ResidualBlocks
from genlab.bijections.solvers import FixedStepSolver
from genlab.densities.density import Density
from genlab.densities.inference import inference, log_probs

__all__ = ["NATS", "Fixed", "apart", "fixed_log_prob", "fixed_sample"]

NATS = 1e-4
"""Largest difference of a log-density from the exact one, in nats."""

SAMPLES = 1e-6
"""Largest difference of a sample from the exact one, relative to ``1 + |x|``."""

FEWEST, MOST = 4, 512
"""Steps that are tried, each time twice as many."""

LARGEST = 64
"""Numbers of a sample up to which a divergence that is an estimate elsewhere is taken exactly."""

# Log-densities by ODEs cost seconds a thousand.
ROWS = 256


class Fixed(NamedTuple):
    """A model whose operations depend on no number.

    Attributes:
        model: It, in double precision.
        said: How it is computed, by what it replaces.
    """

    model: Density
    said: dict[str, Any]


def fixed_log_prob(model: Density, points: Batch) -> Fixed:
    """A copy whose log-densities take a fixed number of operations.

    Log-determinants that were estimates are exact in it. An ODE is followed by equal steps, as few
    of them, by doubling, as stay within `NATS` of the solver that the model evaluates by.

    Args:
        model: The model.
        points: Where the two are compared.

    Raises:
        UnexportableError: No number of steps that is tried is enough, or what is an estimate in the
            model costs too much to be exact.
    """
    _refuse_dear(model)
    exact = _exact(model)
    blocks, odes = _parts(exact, ResidualBlocks), _parts(exact, ODE)
    said: dict[str, Any] = {}
    if blocks:
        exact = _with_blocks(exact, steps=1)
        said["log_det"] = "exact"
    if not odes:
        return Fixed(exact, said)
    few = points.rows(slice(ROWS))
    truth = _log_probs(exact, few)

    def difference(steps: int) -> float:
        return apart(_log_probs(_with_steps(exact, steps), few), truth).max().item()

    steps = _doubled(difference, NATS / 2, "log-density", "nats")
    said |= {"divergence": "exact", "solver": {"method": "rk4", "steps": steps}}
    return Fixed(_with_steps(exact, steps), said)


def fixed_sample(model: Density, points: Batch) -> tuple[Fixed, tuple[Noise, ...]]:
    """A copy that makes samples of given noise by a fixed number of operations, and that noise.

    An ODE is followed by the model's own steps, where they are equal ones. Where they are not, and
    in the inverse of residual blocks, there are as few steps, by doubling, as leave samples where
    they are to `SAMPLES`.

    Args:
        model: The model.
        points: Their context is what samples are compared under.

    Raises:
        UnexportableError: The noise is not of a fixed size, or no number of steps is enough.
    """
    exact = _exact(model)
    few = points.rows(slice(ROWS))
    noise = noise_of(exact, None if few.context is None else few.context[:1])
    blocks, odes = _parts(exact, ResidualBlocks), _parts(exact, ODE)
    said: dict[str, Any] = {}
    own = [ode.solver for ode in odes]
    if not blocks and all(isinstance(solver, FixedStepSolver) for solver in own):
        if odes:
            said["solver"] = {"method": own[0].method, "steps": own[0].steps}
        return Fixed(exact, said), noise
    generator = torch.Generator().manual_seed(0)
    drawn = [one.draw(len(few.x), generator, few.x.double()) for one in noise]
    truth = _samples(exact, noise, drawn, few)
    remade = _with_blocks if blocks else _with_steps

    def difference(steps: int) -> float:
        off = _samples(remade(exact, steps), noise, drawn, few) - truth
        return (off.abs() / (1 + truth.abs())).max().item()

    steps = _doubled(difference, SAMPLES, "sample", "of 1 + |x|")
    said |= (
        {"inverse": {"method": "newton", "steps": steps}}
        if blocks
        else {"solver": {"method": "rk4", "steps": steps}}
    )
    return Fixed(remade(exact, steps), said), noise


def apart(found: Float[Tensor, " n"], truth: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """How far log-densities are from true ones: 0 where both are the same infinity.

    >>> apart(torch.tensor([1.0, -torch.inf, torch.nan]), torch.tensor([3.0, -torch.inf, 0.0]))
    tensor([2., 0., inf])
    """
    off = (found - truth).abs().masked_fill(found == truth, 0)
    return off.nan_to_num(math.inf, posinf=math.inf)


def _refuse_dear(model: Density) -> None:
    dim = math.prod(model.event_shape)
    estimated = any(not ode.is_exact for ode in _parts(model, ODE))
    if estimated and dim > LARGEST:
        raise UnexportableError(
            f"its divergence is an estimate by random probes, and the exact one of {dim} numbers "
            f"takes {dim} passes of its network"
        )


def _exact(model: Density) -> Density:
    """A copy in double precision, without estimates."""
    exact = copy.deepcopy(model).cpu().double().eval().requires_grad_(False)
    for ode in _parts(exact, ODE):
        ode.divergence = "exact"
    for blocks in _parts(exact, ResidualBlocks):
        blocks.options = blocks.options._replace(log_det="exact")
    return exact


def _parts(model: nn.Module, kind: type[Any]) -> list[Any]:
    return [part for part in model.modules() if isinstance(part, kind)]


def _with_steps(model: Density, steps: int) -> Density:
    """A copy that follows its ODEs by so many equal steps."""
    fixed = copy.deepcopy(model)
    for ode in _parts(fixed, ODE):
        ode.solver = ode.evaluation = FixedStepSolver(method="rk4", steps=steps)
    return fixed


def _with_blocks(model: Density, steps: int) -> Density:
    """A copy whose residual blocks know their norms, and take so many steps back."""
    fixed = copy.deepcopy(model)
    for parent in list(fixed.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, ResidualBlocks):
                setattr(parent, name, FixedBlocks(child, steps=steps))
    return fixed


def _doubled(difference: Callable[[int], float], bound: float, what: str, unit: str) -> int:
    steps = FEWEST
    while not difference(steps) < bound:
        steps *= 2
        if steps > MOST:
            raise UnexportableError(
                f"{MOST} equal steps leave a {what} more than {bound:g} {unit} from the exact one"
            )
    return steps


def _log_probs(model: Density, points: Batch) -> Float[Tensor, " n"]:
    with inference(model):
        return log_probs(model, points.x.double(), points.context)


def _samples(
    model: Density, noise: tuple[Noise, ...], drawn: list[Tensor], points: Batch
) -> Float[Tensor, "n *event"]:
    with inference(model):
        return sample_from(model, noise, drawn, points.context)
