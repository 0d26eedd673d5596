"""The command line: one file a subcommand, and none of them imports torch before it is called."""

from __future__ import annotations

__all__: list[str] = []
