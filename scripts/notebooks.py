"""Run the notebooks of the course anew, with their pictures: python scripts/notebooks.py [NAME ...]

They need the extra ``docs``, and take a minute each. One picture of each is kept for the README.
"""

from __future__ import annotations

import base64
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).parents[1]
# The notebooks, and which of its pictures stands for each.
SHOWN = {"1-densities": 0, "2-flows": 1, "3-continuous-flows": 0, "4-flow-matching": 1}


def pictures(notebook: nbformat.NotebookNode) -> list[bytes]:
    """The pictures that a notebook shows."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    shown = [output.data for output in outputs if "data" in output]
    return [base64.b64decode(data["image/png"]) for data in shown if "image/png" in data]


def main() -> None:
    for name, which in SHOWN.items():
        if not sys.argv[1:] or name in sys.argv[1:]:
            path = ROOT / "docs" / "course" / f"{name}.ipynb"
            notebook = nbformat.read(path, as_version=4)
            NotebookClient(notebook, timeout=None).execute()
            for cell in notebook.cells:
                cell.metadata.clear()  # of when each ran
            nbformat.write(notebook, path)
            thumbnail = ROOT / "outputs" / "gallery" / "course" / f"{name}.png"
            thumbnail.write_bytes(pictures(notebook)[which])
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
