"""Lightning's Trainer, set up for learners that count their own steps."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import lightning.pytorch as pl
import torch
from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch.callbacks import Callback
from lightning.pytorch.loggers import Logger

from genlab.errors import UserError
from genlab.learning.checkpoint_io import AtomicCheckpoints
from genlab.learning.settings import TrainerSettings
from genlab.processes import check_device, environment, is_alone

__all__ = ["accelerator_device", "device_name", "make_trainer"]


class OneProcess(ClusterEnvironment):
    """Rank 0 of 1, whatever a cluster or a parent process has left in the environment.

    So several runs can be started side by side by ``srun``, ``jsrun`` or ``torchrun``: each of them
    keeps a record of its own.
    """

    creates_processes_externally = True  # so Lightning starts none
    main_address = "127.0.0.1"
    main_port = 0  # any that is free: nobody else connects

    @staticmethod
    def detect() -> bool:
        """Never: it is chosen by the settings."""
        return False

    def world_size(self) -> int:
        return 1

    def global_rank(self) -> int:
        return 0

    def local_rank(self) -> int:
        return 0

    def node_rank(self) -> int:
        return 0

    def set_world_size(self, size: int) -> None:
        """There is one, whatever the Trainer says."""

    def set_global_rank(self, rank: int) -> None:
        """It is 0, whatever the Trainer says."""


def make_trainer(
    settings: TrainerSettings,
    *,
    folder: Path,
    loggers: Sequence[Logger],
    callbacks: Iterable[Callback],
) -> pl.Trainer:
    """A Trainer that leaves steps, checkpoints and progress to the learner and its callbacks.

    Args:
        settings: The ``trainer`` section.
        folder: The run's folder.
        loggers: Where scalars and images go.
        callbacks: What runs beside the training.

    Raises:
        UserError: The machine lacks the devices that are asked for.
    """
    check_device(settings)
    _quieten()
    cluster = OneProcess() if is_alone(settings) else environment(settings)
    try:
        return pl.Trainer(
            accelerator=settings.accelerator,
            devices=settings.devices,
            num_nodes=settings.num_nodes,
            strategy=settings.strategy,
            # Learners are of double precision by themselves: Lightning would change the type that
            # torch makes numbers of, and so the random ones that data are made of.
            precision="bf16-mixed" if settings.precision == "bf16-mixed" else "32-true",
            deterministic=settings.deterministic,
            max_epochs=-1,
            check_val_every_n_epoch=1,
            num_sanity_val_steps=0,
            inference_mode=False,
            use_distributed_sampler=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            default_root_dir=folder,
            logger=list(loggers),
            callbacks=list(callbacks),
            plugins=[AtomicCheckpoints(), cluster],
        )
    except (MisconfigurationException, RuntimeError, ValueError) as error:
        first_line = str(error).strip().splitlines()[0]
        raise UserError(f"trainer: {first_line}") from error


def accelerator_device(accelerator: str) -> torch.device:
    """The first device that ``accelerator`` stands for."""
    if accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
        return torch.device("cuda")
    if accelerator in ("auto", "gpu", "mps") and torch.backends.mps.is_available():
        return torch.device("mps")
    return torch.device("cpu")


def device_name(accelerator: str) -> str:
    """That device in words, and the CPU threads where it is the CPU."""
    device = accelerator_device(accelerator)
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type}, {threads} thread{'s' if threads > 1 else ''}"


def _quieten() -> None:
    # Lightning announces devices it does not use, and tips; a run's own output says what matters.
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    logging.getLogger("lightning.fabric").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", message=".*LeafSpec.*", category=FutureWarning)
    warnings.filterwarnings("ignore", message=".*GPU available but not used.*")
    # A run of one device may as well be the job script's own process, or on a login node.
    warnings.filterwarnings("ignore", message="The `srun` command is available.*")
