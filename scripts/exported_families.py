"""What of each family leaves genlab: weights, programs of log_prob and sample, ONNX.

Small models of moons, a few steps from their start; a row of Markdown each. Below it how long an
export took, and of each ONNX how far onnxruntime is from the program, or the converter's message.

    pip install onnxruntime
    python scripts/exported_families.py [FAMILY ...]
"""

from __future__ import annotations

import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch

import genlab
from genlab.assembly.export.folder import export

SETTINGS = {
    "gmm": ("model.components=3",),
    "vae": ("model.hidden=[16,16]", "model.importance_samples=16"),
    "cnf": ("model.network.width=16",),
    "flow-matching": ("model.network.width=16", "model.network.blocks=1"),
}
LAYERS = ("model.layers=2", "model.hidden=[16,16]")
FAMILIES = ("gmm", "vae", "nice", "realnvp", "krnet", "resflow", "nsf", "cnf", "flow-matching")
FEW = (
    *("data=moons", "trainer.max_steps=20", "trainer.val_every=20", "data.val_size=200"),
    *("data.test_size=200", "trainer.accelerator=cpu", "logger=none", "callbacks=minimal"),
)


def row(family: str, folder: Path) -> tuple[str, list[str]]:
    """A line of the table, and what there is to say below it."""
    words = (f"model={family}", *SETTINGS.get(family, LAYERS), *FEW, f"outputs={folder}")
    training = genlab.experiment(*words)
    training.fit()
    start = time.process_time()
    config = export(training, folder / family, programs=True, onnx=True)
    cells = ["yes"]
    notes = [f"{family}: {time.process_time() - start:.0f} s of the processor"]
    for name in ("log_prob", "sample"):
        told = config["programs"][name]
        cells.append("yes" if "file" in told else "no")
        notes += [f"{family} {name}: {told['reason']}"] if "reason" in told else []
        notes += [
            f"{family} {name}: {key} {told[key]}" for key in ("solver", "inverse") if key in told
        ]
        if "max_difference" in told:
            notes.append(f"{family} {name}: {told['max_difference']:.1e} nats from genlab score")
    for name in ("log_prob", "sample"):
        told = config["programs"][name]
        onnx = told.get("onnx", {"reason": "no program"})
        cells.append("yes" if "file" in onnx else "no")
        off = f"{largest_difference(folder / family, told):.1e} off" if "file" in onnx else ""
        notes.append(f"{family} {name} ONNX: {off or onnx['reason']}")
    return f"| {family} | {' | '.join(cells)} |", notes


def largest_difference(folder: Path, told: dict[str, Any]) -> float:
    """Of 1,000 answers of onnxruntime from those of the program."""
    from onnxruntime import InferenceSession

    draws = {"uniform": torch.rand}
    inputs = {
        one["name"]: draws.get(one.get("distribution"), torch.randn)(1000, *one["shape"][1:])
        for one in told["inputs"]
    }
    true = torch.export.load(folder / told["file"]).module()(*inputs.values())
    session = InferenceSession(folder / told["onnx"]["file"])
    (found,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    return (torch.from_numpy(found) - true).abs().max().item()


def main() -> None:
    warnings.simplefilter("ignore")
    print("| family | safetensors | log_prob | sample | ONNX log_prob | ONNX sample |")
    print("| --- | --- | --- | --- | --- | --- |")
    below = []
    with tempfile.TemporaryDirectory() as folder:
        for family in sys.argv[1:] or FAMILIES:
            line, notes = row(family, Path(folder))
            print(line, flush=True)
            below += notes
    print("\n".join(["", *below]))


if __name__ == "__main__":
    main()
