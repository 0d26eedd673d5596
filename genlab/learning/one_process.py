"""Where Lightning finds a process that trains alone: first of one."""

from __future__ import annotations

from lightning.fabric.plugins.environments.cluster_environment import ClusterEnvironment

__all__ = ["OneProcess"]


class OneProcess(ClusterEnvironment):
    """Rank 0 of 1, whatever a cluster or a parent process has left in the environment.

    So several runs can be started side by side by ``srun``, ``jsrun`` or ``torchrun``: each of them
    keeps a record of its own.
    """

    @property
    def creates_processes_externally(self) -> bool:
        """There are none to create."""
        return True

    @property
    def main_address(self) -> str:
        """This machine."""
        return "127.0.0.1"

    @property
    def main_port(self) -> int:
        """Any that is free: nobody else connects."""
        return 0

    @staticmethod
    def detect() -> bool:
        """Never found in the environment: the settings say so."""
        return False

    def world_size(self) -> int:
        """One process."""
        return 1

    def set_world_size(self, size: int) -> None:
        """Stays one."""

    def global_rank(self) -> int:
        """The first."""
        return 0

    def set_global_rank(self, rank: int) -> None:
        """Stays the first."""

    def local_rank(self) -> int:
        """The first of this machine."""
        return 0

    def node_rank(self) -> int:
        """This machine is the first."""
        return 0
