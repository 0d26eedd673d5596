"""Programs of small models, written by genlab and run where there is none.

``write FOLDER CASE ...`` exports models, and keeps what they answer; ``read FOLDER`` runs the
programs on the same inputs in plain torch, and prints how far their answers are from these. A case
is ``FAMILY-CONTEXT-TYPE``. Two processes, as the tests' own checks shapes, which symbols fail.
"""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import torch

__all__ = ["SIZES", "answers"]

SIZES = (0, 1, 2, 1000)
CONTEXTS: dict[str, dict[str, int]] = {
    "none": {},
    "vector": {"context_dim": 3},
    "label": {"labels": 4},
}
ODES = ("cnf", "flow-matching")
TYPES = {"f32": torch.float32, "f64": torch.float64}


def answers(folder: Path, cases: list[str]) -> dict[str, Any]:
    """How far the programs of some cases are from their models, and what has no program."""
    for words in (["write", str(folder), *cases], ["read", str(folder)]):
        command = [sys.executable, "-W", "ignore", __file__, *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def write(folder: Path, cases: list[str]) -> None:
    from properties import MODELS, disturb

    from genlab.assembly.export.noise import UnexportableError, sample_from
    from genlab.assembly.export.programs import log_prob_program, sample_program, save
    from genlab.batch import Batch
    from genlab.bijections import FixedStepSolver, Standardise
    from genlab.nn import wrap_columns

    few = {"solver": FixedStepSolver(method="rk4", steps=4)}
    kept: dict[str, Any] = {}
    for case in cases:
        name, context, kind = case.rsplit("-", 2)
        dtype = TYPES[kind]
        torch.manual_seed(0)
        model = MODELS[name](2, **CONTEXTS[context], **(few if name.endswith(ODES) else {}))
        if model.preprocessing is None:
            model.preprocessing = Standardise(model.event_shape, untouched=model.circular)
        x = wrap_columns(2 * torch.randn(1000, 2) + 1, model.circular)
        rows = conditions(context, torch.float32)
        model.initialise(x, rows)
        disturb(model, 0.15).eval()
        points = Batch(x[:100], None if rows is None else rows[:100])
        eager = model.to(dtype)
        given = conditions(context, dtype)
        for what, make in (("log_prob", log_prob_program), ("sample", sample_program)):
            try:
                program = make(model, points, dtype)
            except UnexportableError as error:
                kept[f"{case} {what}"] = str(error)
                continue
            place = folder / case
            place.mkdir(exist_ok=True)
            save(program, place)
            tried = []
            for n in SIZES:
                own = None if given is None else given[:n]
                if what == "log_prob":
                    inputs = [x[:n].to(dtype)]
                    answer = eager.log_prob(inputs[0], own)
                else:
                    noise = program.noise
                    source = torch.Generator().manual_seed(n)
                    inputs = [one.draw(n, source, x.to(dtype)) for one in noise]
                    answer = sample_from(eager, noise, inputs, own)
                inputs += [] if own is None else [own]
                tried.append((inputs, answer.detach()))
            kept[f"{case} {what}"] = tried
    torch.save(kept, folder / "answers.pt")


def conditions(context: str, dtype: torch.dtype) -> torch.Tensor | None:
    torch.manual_seed(1)
    if context == "vector":
        return torch.randn(1000, 3).to(dtype)
    return torch.randint(4, (1000,)) if context == "label" else None


class Blocked:
    """Lets nobody import genlab, or what it stands on."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        if name.partition(".")[0] in ("genlab", "lightning", "hydra", "torchdiffeq"):
            raise ImportError(f"{name} is blocked")


def read(folder: Path) -> None:
    sys.meta_path.insert(0, Blocked())  # type: ignore[arg-type]
    try:
        import genlab  # noqa: F401
    except ImportError:
        pass
    else:
        raise AssertionError("genlab is there")
    found: dict[str, Any] = {}
    for key, tried in torch.load(folder / "answers.pt").items():
        if isinstance(tried, str):
            found[key] = tried
            continue
        case, what = key.split()
        program = torch.export.load(folder / case / f"{what}.pt2").module()
        off = []
        for inputs, answer in tried:
            again = program(*inputs)
            assert again.shape == answer.shape
            assert again.dtype == answer.dtype
            off.append((again - answer).abs().max().item() if answer.numel() else 0.0)
        other = torch.float64 if answer.dtype == torch.float32 else torch.float32
        try:
            program(*(i.to(other) if i.is_floating_point() else i for i in inputs))
            refuses = False
        except Exception:
            refuses = True
        found[key] = {"off": off, "refuses": refuses}
    print(json.dumps(found))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    command, place, *rest = sys.argv[1:]
    if command == "write":
        write(Path(place), rest)
    else:
        read(Path(place))
