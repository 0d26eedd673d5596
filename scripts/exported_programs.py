"""An exported flow in plain torch: its answers, and how fast they come, beside those of genlab.

`scripts/exported_programs.sh` runs the parts in their order: ``prepare`` and ``time eager`` where
genlab is, ``check``, ``time program`` and ``time compiled`` where there are torch and numpy alone.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

TYPES = ("float32", "float64")
SIZES = (0, 1, 2, 1000)
BOUNDS = {"float32": 1e-5, "float64": 1e-10}


def prepare(place: Path, run: str) -> None:
    """Export a run in both types, and keep what its model answers."""
    import genlab
    from genlab.assembly.export.folder import export
    from genlab.assembly.export.noise import noise_of, sample_from

    kept = {}
    for word in TYPES:
        dtype = getattr(torch, word)
        training = genlab.load(run)
        export(training, place / word, programs=True, dtype=dtype, force=True)
        model = training.model.to(dtype)
        noise = noise_of(model)
        for n in SIZES:
            x = training.data.test.x[:n].to(dtype)
            source = torch.Generator().manual_seed(n)
            drawn = [one.draw(n, source, x) for one in noise]
            with torch.no_grad():
                kept[word, n] = x, model.log_prob(x), drawn, sample_from(model, noise, drawn)
    torch.save(kept, place / "answers.pt")


def check(place: Path, words: Sequence[str]) -> None:
    """Compare the programs, as they are and compiled ahead of time, with what was kept."""
    answers = torch.load(place / "answers.pt")
    for word in words:
        for name in ("log_prob", "sample"):
            program = torch.export.load(place / word / f"{name}.pt2")
            package = torch._inductor.aoti_compile_and_package(
                program, package_path=str(place / f"{name}-{word}.pt2")
            )
            compiled = torch._inductor.aoti_load_package(package)
            for kind, run in (("program", program.module()), ("compiled", compiled)):
                off = {}
                for n in SIZES:
                    x, log_p, noise, samples = answers[word, n]
                    answer = log_p if name == "log_prob" else samples
                    with torch.no_grad():
                        found = run(x) if name == "log_prob" else run(*noise)
                    assert found.shape == answer.shape, (found.shape, answer.shape)
                    off[n] = (found - answer).abs().max().item() if n else 0.0
                told = ", ".join(f"{n} rows {value:.1e}" for n, value in off.items())
                print(f"{name:8} {word} {kind:8}  off by {told}", flush=True)
                assert max(off.values()) < BOUNDS[word]


def clock(place: Path, kind: str, n: int, seconds: float) -> None:
    """Print the least time of a call of log_prob in float32, in milliseconds."""
    torch.set_num_threads(1)
    x = torch.load(place / "answers.pt")["float32", 1000][0]
    x = x.repeat(-(-n // len(x)), 1)[:n]
    log_prob = _log_prob(place, kind)
    with torch.no_grad():
        log_prob(x)
        best, end = float("inf"), time.perf_counter() + seconds
        while time.perf_counter() < end:
            start = time.perf_counter()
            log_prob(x)
            best = min(best, time.perf_counter() - start)
    print(f"{1e3 * best:.4f}")


def _log_prob(place: Path, kind: str) -> Callable[[torch.Tensor], torch.Tensor]:
    if kind == "eager":
        import genlab

        return genlab.load(place / "float32").model.log_prob
    if kind == "program":
        return torch.export.load(place / "float32" / "log_prob.pt2").module()
    return torch._inductor.aoti_load_package(str(place / "log_prob-float32.pt2"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", choices=("prepare", "check", "time"))
    parser.add_argument("place", type=Path)
    parser.add_argument("--run", default="latest")
    parser.add_argument("--kind", choices=("eager", "program", "compiled"), default="eager")
    parser.add_argument("--types", nargs="+", choices=TYPES, default=TYPES)
    parser.add_argument("--rows", type=int, default=256)
    parser.add_argument("--seconds", type=float, default=1.0)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    if arguments.part == "prepare":
        prepare(arguments.place, arguments.run)
    elif arguments.part == "check":
        check(arguments.place, arguments.types)
    else:
        clock(arguments.place, arguments.kind, arguments.rows, arguments.seconds)


if __name__ == "__main__":
    main()
