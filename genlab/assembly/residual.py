"""The network whose residual ``data=pinn_residual`` is."""

from __future__ import annotations

import logging

from omegaconf import DictConfig

from genlab.config.build import build
from genlab.errors import UserError
from genlab.learning.weights import load_weights
from genlab.pinn import Network
from genlab.runs.find import resolve

__all__ = ["residual_network"]

log = logging.getLogger(__name__)


def residual_network(config: DictConfig) -> Network:
    """The network of the solve that ``data.run`` names, or a new one.

    Args:
        config: Of ``train``, described.

    Raises:
        UserError: There is no such run.
        RunError: Its checkpoint is damaged.
    """
    network = _build(config)
    if config.data.run is None:
        remarks = "".join(f"; {remark}" for remark in network.remarks)
        log.info("training a network for its residual%s", remarks)
    else:
        load_weights(network, resolve(config.data.run).best)
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
