"""The environment of a process that trains alone, as a Trainer asks for it."""

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
        """So Lightning starts none."""
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
        """Never: it is chosen by the settings."""
        return False

    def world_size(self) -> int:
        """One process."""
        return 1

    def set_world_size(self, size: int) -> None:
        """There is one, whatever the Trainer says."""

    def global_rank(self) -> int:
        """Rank 0."""
        return 0

    def set_global_rank(self, rank: int) -> None:
        """It is 0, whatever the Trainer says."""

    def local_rank(self) -> int:
        """Rank 0 on this machine."""
        return 0

    def node_rank(self) -> int:
        """This machine is the first."""
        return 0
