"""The pictures of the course's table, each by the command that stands beside it.

    python scripts/gallery.py [--only realnvp-moons ...] [--with trainer.max_steps=2000 ...]

They are written small into outputs/gallery/course/, and into the table. A run is kept under
outputs/course/, and what is there is not done again; all of them take half an hour.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "course" / "index.md"
PICTURES = Path("../../outputs/gallery/course")
ROW = re.compile(r"^(\|[^|]*\| `genlab ([^`]+)` \| `(\w+)`[^|]*\|)[^|]*\|$", re.MULTILINE)
NAMING = ("model", "data", "experiment", "sampler", "path", "indicator")
WIDTH, COLOURS = 480, 256


def name_of(words: list[str]) -> str:
    """A run's name: what its command chooses."""
    chosen = (word.split("=", 1) for word in words[1:])
    return "-".join(value for key, value in chosen if key in NAMING).replace("_", "-")


def shrink(figure: Path, picture: Path) -> None:
    """Write a figure as a small picture of few colours."""
    with Image.open(figure) as image:
        height = round(image.height * WIDTH / image.width)
        small = image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    picture.parent.mkdir(parents=True, exist_ok=True)
    # By an octree, few points of a colour keep it.
    small.quantize(COLOURS, Image.Quantize.FASTOCTREE).save(picture, optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="names of pictures")
    parser.add_argument("--with", nargs="*", default=[], dest="more", help="further words")
    arguments = parser.parse_args()
    for row in ROW.finditer(PAGE.read_text()):
        words, figure = row[2].split(), row[3]
        name = name_of(words)
        if arguments.only and name not in arguments.only:
            continue
        folder = ROOT / "outputs" / "course" / name
        if not [*folder.rglob(f"figures/{figure}.png")]:
            command = [sys.executable, "-m", "genlab", *words, *arguments.more, f"outputs={folder}"]
            subprocess.run(command, check=True)
        picture = PICTURES / f"{name}.png"
        shrink(max(folder.rglob(f"figures/{figure}.png")), PAGE.parent / picture)
        text = PAGE.read_text().replace(row[0], f"{row[1]} ![{figure}]({picture}) |")
        PAGE.write_text(text)
        print(name, flush=True)


if __name__ == "__main__":
    main()
