"""Torsion angles of proteins and nucleic acids, in tables and in structures."""

from __future__ import annotations

__all__: list[str] = []
