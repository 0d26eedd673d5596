"""Fit toys by genlab, flowjax and zuko: nats above the optimum against seconds, side by side.

Each fit has a process of its own, on one thread of one core, and is judged by the exact density on
the same 10,000 fresh points. Compiling counts; imports, the judging and genlab's test do not:

- genlab: ``genlab train model=FAMILY data=TOY seed=SEED`` by its defaults, validations and all,
  with no code compiled before. What is judged at the end are the weights that it would test.
- flowjax: 9,000 steps on a flow of the same couplings, networks, splines, batch, standardised rows,
  clipping and learning rates, fifty steps a program, without validations.
- zuko: the loop of its README, its neural spline flow of three layers of 128-128-128, Adam at
  .001, for `--seconds`, since it says nothing of an end.

    python scripts/fit_peers.py --list
    python scripts/fit_peers.py --only moons:realnvp moons:nsf eight_gaussians --seeds 1
    python scripts/fit_peers.py --only checkerboard -o outputs/mine

What is finished stays in a file: the same command goes on where it was stopped.
"""

from __future__ import annotations

import argparse
import math
import multiprocessing
import os
import statistics
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.machine import machine, missing_peers, one_core, restricted
from benchmarks.store import Store, chosen
from genlab.runs.files import atomic_path

GOALS = {"moons": 0.01, "eight_gaussians": 0.01, "checkerboard": 0.05, "pinwheel": 0.03}
"""Nats above the optimum that count as learned."""

CONTESTANTS = {
    "genlab": ("gmm", "resflow", "nsf", "realnvp"),
    "flowjax": ("nsf", "realnvp"),
    "zuko": ("nsf",),
}

Records = Mapping[str, Mapping[str, Any]]


def main() -> None:
    """Fit what is not finished, and write all that is."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="PARTS", help="as moons:nsf")
    parser.add_argument("--list", action="store_true", help="name the fits")
    parser.add_argument("--seconds", type=float, default=60.0, help="that zuko trains for")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("-o", "--output", type=Path, default=Path("outputs/fit-peers"))
    options = parser.parse_args()
    names = chosen(cells(options.seeds), options.only)
    if options.list:
        print(*names, sep="\n")
        return
    missing = missing_peers()
    os.environ.update(restricted("cpu", 1))
    core = one_core()
    if core is not None:
        os.sched_setaffinity(0, {core})
    store = Store(options.output / "fits.json")
    for name in names:
        if name in store.records or name.split(":")[1] in missing:
            continue
        store.add(name, {**apart(name, options.seconds), "machine": machine(1)})
        print(f"{name}: {told(name, store.records[name])}", flush=True)
    if store.records:
        lines = table(store.records)
        with atomic_path(options.output / "table.md") as path:
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(*lines, sep="\n")


def cells(seeds: int) -> Iterator[str]:
    """The names of all fits, those of a seed and a toy behind each other."""
    for seed in range(seeds):
        for toy in GOALS:
            for who, families in CONTESTANTS.items():
                yield from (f"{toy}:{who}:{family}:seed{seed}" for family in families)


def apart(name: str, seconds: float) -> dict[str, Any]:
    """The record of one fit, made in a process of its own."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as process:
        return process.submit(fitted, name, seconds).result()


def fitted(name: str, seconds: float) -> dict[str, Any]:
    import torch

    from benchmarks import fits

    torch.set_num_threads(1)
    toy, who, family, word = name.split(":")
    seed = int(word.removeprefix("seed"))
    match who:
        case "genlab":
            fit = fits.by_genlab(family, toy, seed)
        case "flowjax":
            fit = fits.by_flowjax(family, toy, seed)
        case _:
            fit = fits.by_zuko(toy, seed, seconds=seconds)
    return fits.judged(toy, fit)


def numbers(name: str, record: Mapping[str, Any]) -> tuple[float, float, float, float]:
    """Seconds, those of the processor, nats at the end, and seconds to the goal (inf if never)."""
    looks = zip(record["seconds"], record["nats"], strict=True)
    goal = GOALS[name.split(":")[0]]
    reached = min((seconds for seconds, nats in looks if nats <= goal), default=math.inf)
    return record["seconds"][-1], record["processor"][-1], record["nats"][-1], reached


def told(name: str, record: Mapping[str, Any]) -> str:
    """A finished fit, for the terminal."""
    seconds, processor, nats, reached = numbers(name, record)
    return (
        f"{seconds:.3g} s ({processor:.3g} of the processor), {nats:.4f} +- {record['se'][-1]:.4f} "
        f"nats, {GOALS[name.split(':')[0]]:g} after {reached:.3g} s"
    )


def table(records: Records) -> list[str]:
    """A row for each contestant on each toy: medians over the seeds, and ratios of them.

    Seconds of a fit are compared with flowjax's of the same family, those to the goal with zuko's.
    """
    found: dict[tuple[str, ...], list[tuple[float, ...]]] = {}
    for name, record in records.items():
        found.setdefault(tuple(name.split(":")[:3]), []).append(numbers(name, record))
    medians = {
        key: tuple(map(statistics.median, zip(*rows, strict=True))) for key, rows in found.items()
    }
    lines = [
        "Medians over the seeds; nats are those above the optimum.",
        "",
        "| toy | by | seeds | steps | weights | seconds | of the processor | nats | goal "
        "| seconds to it | seconds / flowjax's | seconds to it / zuko's |",
        "|---" * 12 + "|",
    ]
    for (toy, who, family), (seconds, processor, nats, reached) in sorted(medians.items()):
        first = next(
            record for name, record in records.items() if name.startswith(f"{toy}:{who}:{family}:")
        )
        ratios = " | "
        if who == "genlab":
            jax = medians.get((toy, "flowjax", family), (math.nan,))[0]
            zuko = medians.get((toy, "zuko", "nsf"), (math.nan,))[-1]
            ratios = f"{seconds / jax:.2f} | {reached / zuko:.2f}"
        lines.append(
            f"| {toy} | {who} {family} | {len(found[toy, who, family])} | {first['steps']} "
            f"| {first['weights']} | {seconds:.3g} | {processor:.3g} | {nats:.4f} | {GOALS[toy]:g} "
            f"| {reached:.3g} | {ratios} |"
        )
    return lines


if __name__ == "__main__":
    main()
