"""Run the notebooks of the course anew, with their pictures: python scripts/notebooks.py [NAME ...]

They need the extra ``docs``. Each takes a minute or two.
"""

from __future__ import annotations

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

COURSE = Path(__file__).parents[1] / "docs" / "course"


def main() -> None:
    for path in sorted(COURSE.glob("*.ipynb")):
        if not sys.argv[1:] or path.stem in sys.argv[1:]:
            notebook = nbformat.read(path, as_version=4)
            NotebookClient(notebook, timeout=None).execute()
            for cell in notebook.cells:
                cell.metadata.clear()  # of when each ran
            nbformat.write(notebook, path)
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
