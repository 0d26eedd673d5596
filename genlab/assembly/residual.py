"""The network whose residual ``data=pinn_residual`` is."""

from __future__ import annotations

import logging

from omegaconf import DictConfig

from genlab.config import build, read_config
from genlab.errors import UserError
from genlab.learning.weights import load_weights
from genlab.pinn import Network
from genlab.runs.find import resolve

__all__ = ["residual_network"]

log = logging.getLogger(__name__)


def residual_network(config: DictConfig) -> Network:
    """The network of the solve that ``data.run`` names, or a new one.

    Args:
        config: Of ``train``; where there is a run, its problem and network are put in.

    Raises:
        UserError: There is no such run, or it is no solve.
        RunError: Its checkpoint is damaged.
    """
    run = config.data.run
    if run is None:
        network = _build(config)
        remarks = "".join(f"; {remark}" for remark in network.remarks)
        log.info("training a network for its residual%s", remarks)
        return network
    directory = resolve(run)
    solved = read_config(directory)
    if solved.command != "solve":
        raise UserError(f"data.run={run}: not a run of `genlab solve`")
    for part in ("problem", "pinn"):
        config[part] = solved[part]
        config.choices[part] = solved.choices[part]
    network = _build(config)
    load_weights(network, directory.best)
    return network


def _build(config: DictConfig) -> Network:
    network: Network = build(config, "pinn", build(config, "problem"))
    dim, expected = network.problem.dim, tuple(config.data.event_shape)
    if expected != (dim,):
        raise UserError(
            f"data.event_shape={list(expected)}: the problem has {dim} coordinates; choose the "
            "same problem, or set problem.dim"
        )
    return network
