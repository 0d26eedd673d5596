"""Count the files of genlab that a reader opens to follow ``log_prob`` of each family.

``python scripts/followed.py [FAMILY ...]`` builds each family as ``genlab train`` does on moons,
calls ``log_prob`` and prints in how many files, and which, the called functions stand.
"""

from __future__ import annotations

import sys
from pathlib import Path
from types import FrameType
from typing import Any

import torch

import genlab
from genlab.config import config_dir

FAMILIES = sorted(path.stem for path in (config_dir() / "model").glob("*.yaml"))
PACKAGE = Path(genlab.__file__).parent


def followed(family: str) -> list[str]:
    """The files, by path below the package."""
    model = genlab.experiment(f"model={family}", "data=moons", "trainer.accelerator=cpu").model
    model.eval()
    files: set[Path] = set()

    def note(frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            files.add(Path(frame.f_code.co_filename))

    x = torch.zeros(3, 2)
    model.log_prob(x)  # what a first call sets up is not of the mathematics
    sys.setprofile(note)
    model.log_prob(x)
    sys.setprofile(None)
    return sorted(str(path.relative_to(PACKAGE)) for path in files if PACKAGE in path.parents)


if __name__ == "__main__":
    for name in sys.argv[1:] or FAMILIES:
        found = followed(name)
        print(f"{name}: {len(found)} files: {', '.join(found)}")
