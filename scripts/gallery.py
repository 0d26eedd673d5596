"""The pictures of the course's table, each by the command that stands beside it.

    python scripts/gallery.py [--only missing | NAME ...] [--with trainer.max_steps=2000 ...]

They are written small into outputs/gallery/course/, and into the table, row by row, on one
thread. A picture says which command drew it: ``--only missing`` draws those that another one drew,
or none. A run is kept under outputs/course/; what is done there is not done again, and what was
stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "course" / "index.md"
PICTURES = Path("../../outputs/gallery/course")
ROW = re.compile(r"^(\|[^|]*\| `genlab ([^`]+)` \| `(\w+)`[^|]*\|)[^|]*\|$", re.MULTILINE)
NAMING = ("model", "data", "experiment", "sampler", "path", "indicator")
MISSING, COMMAND = "missing", "command"
WIDTH, COLOURS = 480, 256


def name_of(words: list[str]) -> str:
    """A run's name: what its command chooses."""
    chosen = (word.split("=", 1) for word in words[1:])
    return "-".join(value for key, value in chosen if key in NAMING).replace("_", "-")


def drawn_by(picture: Path) -> str | None:
    """The command that drew a picture; None where there is none, or it does not say."""
    if not picture.exists():
        return None
    with Image.open(picture) as image:
        return image.info.get(COMMAND)


def run(words: list[str], folder: Path) -> None:
    """Have a run in a folder, done: the one that is there, or one that goes on, or a new one."""
    states = {path: json.loads(path.read_text())["state"] for path in folder.rglob("status.json")}
    if "done" in states.values():
        return
    stopped = [path.parent for path in states if (path.parent / "checkpoints/last.ckpt").exists()]
    words = ["resume", str(stopped[-1])] if stopped else [*words, f"outputs={folder}"]
    threads = {"OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "genlab", *words], check=True, env=os.environ | threads)


def shrink(figure: Path, picture: Path, command: str) -> None:
    """Write a figure as a small picture of few colours, which says what drew it."""
    with Image.open(figure) as image:
        height = round(image.height * WIDTH / image.width)
        small = image.convert("RGB").resize((WIDTH, height), Image.Resampling.LANCZOS)
    picture.parent.mkdir(parents=True, exist_ok=True)
    said = PngInfo()
    said.add_text(COMMAND, command)
    # By an octree, few points of a colour keep it.
    few = small.quantize(COLOURS, Image.Quantize.FASTOCTREE)
    few.save(picture, optimize=True, pnginfo=said)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="*", help="names of pictures, or missing")
    parser.add_argument("--with", nargs="*", default=[], dest="more", help="further words")
    arguments = parser.parse_args()
    for row in ROW.finditer(PAGE.read_text()):
        words, figure = [*row[2].split(), *arguments.more], row[3]
        name, command = name_of(row[2].split()), " ".join(["genlab", *words])
        picture = PICTURES / f"{name}.png"
        missing = drawn_by(PAGE.parent / picture) != command
        chosen = {name, MISSING} if missing else {name}
        if arguments.only and not chosen & {*arguments.only}:
            continue
        own = re.sub(r"[^\w.-]", "_", "-".join([name, *arguments.more]))
        folder = ROOT / "outputs" / "course" / own
        started = time.monotonic()
        run(words, folder)
        shrink(max(folder.rglob(f"figures/{figure}.png")), PAGE.parent / picture, command)
        text = PAGE.read_text().replace(row[0], f"{row[1]} ![{figure}]({picture}) |")
        PAGE.write_text(text)
        print(f"{name}: {time.monotonic() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()
