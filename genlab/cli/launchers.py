"""The launchers of a sweep: what each of them needs, what it takes, and what the cores allow."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass, fields
from importlib.util import find_spec
from typing import Any, Literal

from genlab.bounds import NonNegative, NonNegativeInt, Positive, PositiveInt
from genlab.errors import UserError

__all__ = ["JOBLIB", "RAY", "SUBMITIT", "check_launcher", "chosen", "cores", "plugin"]

JOBLIB = "hydra_joblib_launcher"
RAY = "hydra_ray_launcher"
SUBMITIT = "hydra_submitit_launcher"
EXTRAS = {JOBLIB: "parallel", SUBMITIT: "slurm", RAY: "ray"}
SLURM = "submitit_slurm"


@dataclass(frozen=True)
class JoblibOptions:
    """What ``hydra/launcher=joblib`` is told, beside keys that go to joblib unread.

    Attributes:
        n_jobs: Jobs at once; -1: as many as the cores allow.
    """

    n_jobs: PositiveInt | Literal[-1]


@dataclass(frozen=True)
class SubmititOptions:
    """What ``hydra/launcher=submitit_local`` and ``submitit_slurm`` are told, beside names.

    Attributes:
        timeout_min: Minutes.
        cpus_per_task: Cores of a job.
        gpus_per_node: GPUs of a job.
        mem_gb: Memory of a job.
        array_parallelism: Jobs in the queue at once.
        setup: Lines of the shell before each job.
    """

    timeout_min: Positive
    cpus_per_task: PositiveInt | None
    gpus_per_node: NonNegativeInt | None
    mem_gb: NonNegative | None = None
    array_parallelism: PositiveInt = 1
    setup: list[str] | None = None


OPTIONS: dict[str, type[Any]] = {JOBLIB: JoblibOptions, SUBMITIT: SubmititOptions}


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def plugin(config: Any) -> str:
    """Name of the package that the launcher comes from."""
    return str(config.hydra.launcher._target_).split(".")[1]


def chosen(config: Any) -> str:
    """The choice of a launcher, as a user writes it."""
    return f"hydra/launcher={config.hydra.runtime.choices['hydra/launcher']}"


def check_launcher(config: Any, threads: int) -> None:
    """Refuse a launcher that cannot work here; give each job the cores that it computes with.

    Args:
        config: Hydra's configuration of the sweep; changed in place.
        threads: How many threads a job computes with, at most.

    Raises:
        UserError: Its extra is not installed, an option does not fit, or there is no Slurm here.
    """
    from genlab.config import check_options

    launcher, package = config.hydra.launcher, plugin(config)
    if package in EXTRAS and find_spec(f"hydra_plugins.{package}") is None:
        raise UserError(f"{chosen(config)}: not installed; pip install 'genlab[{EXTRAS[package]}]'")
    if package in OPTIONS:
        # The launcher may take more keys than these; to resolve them all would make the directory.
        known = [field.name for field in fields(OPTIONS[package]) if field.name in launcher]
        given = {key: _plain(launcher[key]) for key in known}
        check_options("hydra.launcher", given, OPTIONS[package])
    if config.hydra.runtime.choices["hydra/launcher"] == SLURM and shutil.which("srun") is None:
        raise UserError(
            f"{chosen(config)}: no `srun` here; start it on a machine of the cluster, "
            "or use hydra/launcher=submitit_local"
        )
    if package == JOBLIB:
        most = max(1, cores() // threads)
        launcher.n_jobs = most if launcher.n_jobs < 0 else min(launcher.n_jobs, most)
    elif package == SUBMITIT:
        launcher.cpus_per_task = max(launcher.cpus_per_task or 1, threads)
    elif package == RAY:
        launcher.ray.remote.num_cpus = max(launcher.ray.remote.num_cpus, threads)


def _plain(value: Any) -> Any:
    from omegaconf import OmegaConf

    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value
