"""Many runs beside each other: read without torch, grouped by what differs, put into tables."""

from __future__ import annotations

__all__: list[str] = []
