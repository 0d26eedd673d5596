"""The run directory: its layout, atomic writes, and reading runs back. Imports no torch."""

from __future__ import annotations

__all__: list[str] = []
