"""Data-parallel training: which process this is, and what a fit leaves behind in it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from genlab.errors import UserError, one_line

if TYPE_CHECKING:
    from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment

__all__ = [
    "check_device",
    "check_precision",
    "environment",
    "is_alone",
    "is_first",
    "own_process_group",
    "rank_zero_if_alone",
    "variables_of_all",
]

# By these variables Lightning tells a process its rank, and where the others meet.
RANK_VARIABLES = (
    "GLOBAL_RANK",
    "LOCAL_RANK",
    "MASTER_ADDR",
    "MASTER_PORT",
    "NODE_RANK",
    "WORLD_SIZE",
)

# Formats of Lightning's that spoil what is learned here, and why.
SPOILING = {
    "bf16-true": "a log-density summed in bfloat16 is wrong by half a nat in 64 dimensions",
    "16-mixed": "in float16 gradients underflow, and nothing here scales the loss",
    "16-true": "a log-density summed in float16 is wrong by a tenth of a nat in 64 dimensions",
}


def check_precision(*, precision: str, **_: Any) -> None:
    """Refuse a number format that would spoil log-densities or gradients.

    Args:
        precision: As Lightning calls it.
        **_: The other settings of the ``trainer`` section.

    Raises:
        UserError: It is one of those.
    """
    if precision in SPOILING:
        raise UserError(
            f"precision={precision}: {SPOILING[precision]}; use "
            "`precision='bf16-mixed'`, which rounds networks alone"
        )


def check_device(trainer: Any) -> None:
    """Refuse a kind of device that this machine lacks, which torch alone can tell.

    Args:
        trainer: The ``trainer`` section, or the settings that came of it.

    Raises:
        UserError: There is none.
    """
    wanted = trainer.accelerator
    if wanted in ("auto", "cpu"):
        return
    import torch

    there = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "tpu": find_spec("torch_xla") is not None,
    }
    if not (there["cuda"] or there["mps"] if wanted == "gpu" else there[wanted]):
        raise UserError(
            f"accelerator={wanted}: this machine has no such device; "
            "use `accelerator='cpu'`, or auto for what there is"
        )


def is_alone(trainer: Any) -> bool:
    """Whether one process trains, whatever the environment says of this one's rank.

    Args:
        trainer: The ``trainer`` section, or the settings that came of it.
    """
    return bool(trainer.num_nodes == 1 and _devices(trainer) == 1)


def is_first(trainer: Any) -> bool:
    """Whether this process keeps the record of the run: the one of rank 0, or the only one.

    Args:
        trainer: The ``trainer`` section, or the settings that came of it.

    Raises:
        UserError: The cluster has started other processes than the section asks for.
    """
    if is_alone(trainer):
        return True
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment

    found = environment(trainer)
    if isinstance(found, LightningEnvironment):
        # Its global rank is 0 until a Trainer sets it.
        return found.node_rank() == 0 and found.local_rank() == 0
    return found.global_rank() == 0


def environment(trainer: Any) -> ClusterEnvironment:
    """What tells each of several processes its rank: torchrun, Slurm, LSF, MPI, or Lightning.

    Args:
        trainer: The ``trainer`` section, or the settings that came of it.

    Raises:
        UserError: The cluster has started other processes than the section asks for.
    """
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment
    from lightning.fabric.plugins.environments.lsf import LSFEnvironment
    from lightning.fabric.plugins.environments.mpi import MPIEnvironment
    from lightning.fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    # In Lightning's own order: torchrun also works inside a job of a cluster.
    clusters: tuple[type[ClusterEnvironment], ...] = (
        TorchElasticEnvironment,
        SLURMEnvironment,
        LSFEnvironment,
        MPIEnvironment,
    )
    devices, nodes = _devices(trainer), trainer.num_nodes
    for cluster in clusters:
        if cluster.detect():
            try:
                # A run is put back into the queue by its command alone, from its own checkpoint.
                slurm = cluster is SLURMEnvironment
                found = SLURMEnvironment(auto_requeue=False) if slurm else cluster()
                found.validate_settings(num_devices=devices, num_nodes=nodes)
            except (RuntimeError, ValueError) as error:
                raise UserError(
                    f"`devices={devices}`, `num_nodes={nodes}`: {one_line(error)}\n"
                    "With `devices=1` and `num_nodes=1` each process trains by itself."
                ) from error
            return found
    return LightningEnvironment()


@contextmanager
def rank_zero_if_alone(trainer: Any) -> Iterator[None]:
    """Make a process that trains alone rank 0, so that Lightning logs and warns in it.

    Lightning takes the rank from the environment when it is imported. Where several processes
    train, its Trainer sets the rank.

    Args:
        trainer: The ``trainer`` section, or the settings that came of it.
    """
    from lightning.pytorch.utilities import rank_zero_only

    if not is_alone(trainer):
        yield
        return
    before: int = rank_zero_only.rank  # type: ignore[attr-defined]
    rank_zero_only.rank = 0  # type: ignore[attr-defined]
    try:
        yield
    finally:
        rank_zero_only.rank = before  # type: ignore[attr-defined]


def variables_of_all(trainer: Any) -> list[dict[str, str]]:
    """What each process of this machine is to be told, where this one has to start the others.

    Args:
        trainer: The ``trainer`` section, or the settings that came of it.

    Returns:
        Environment variables, those of this process first; none where nothing is to be started.
    """
    from lightning.fabric.plugins.environments.lightning import LightningEnvironment

    found = None if is_alone(trainer) else environment(trainer)
    if not isinstance(found, LightningEnvironment) or found.creates_processes_externally:
        return []
    devices = _devices(trainer)
    common = {
        "MASTER_ADDR": found.main_address,
        "MASTER_PORT": str(found.main_port),
        "NODE_RANK": str(found.node_rank()),
        "WORLD_SIZE": str(trainer.num_nodes * devices),
    }
    return [{**common, "LOCAL_RANK": str(rank)} for rank in range(devices)]


@contextmanager
def own_process_group(*, kept: bool = False) -> Iterator[None]:
    """Leave the process group at the end, so that the next fit can form one of its own.

    Args:
        kept: Stay together for the next fit, unless this one fails: processes that a cluster has
            started would meet again where they met before, and find there what is left of that.
    """
    before = {name: os.environ.get(name) for name in RANK_VARIABLES}
    if not kept:
        _leave()
    try:
        yield
    except BaseException:
        kept = False
        raise
    finally:
        if not kept:
            _leave()
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _leave() -> None:
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        distributed.destroy_process_group()


def _devices(trainer: Any) -> int:
    """How many devices of a machine train."""
    if trainer.devices != "auto":
        return int(trainer.devices)
    import torch

    cuda = trainer.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available()
    return torch.cuda.device_count() if cuda else 1
