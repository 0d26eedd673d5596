"""What was learned leaves genlab: a folder, programs in plain torch, and the way back."""

from genlab.assembly.export.exported import HUB, Exported, is_exported, read_exported

__all__ = ["HUB", "Exported", "is_exported", "read_exported"]
