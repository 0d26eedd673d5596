"""genlab's models against the libraries beside it: training steps, log-densities, samples.

Each contestant is a process of its own. In each round all take their turn, in an order that rotates
from round to round, so that a change of the machine's speed meets all of them; on the CPU they have
one and the same core. Told are medians, their spread, and the medians of the rounds' ratios. What
is finished stays in a file: the same command goes on where it was stopped. See
docs/guides/benchmarks.md for the peers' own environment.

    python scripts/benchmark.py --list
    python scripts/benchmark.py --only step:realnvp:dim2 sample:nsf
    python scripts/benchmark.py --device cuda --seconds 5 -o outputs/benchmark-gpu
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.cells import all_cells, contestants
from benchmarks.contest import contest
from benchmarks.machine import machine, missing_peers
from benchmarks.report import line, write
from benchmarks.store import Store, chosen


def main() -> None:
    """Measure the cells that are not finished, and write all that are."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--only", nargs="+", default=[], metavar="PARTS", help="such as nsf:dim43")
    parser.add_argument("--list", action="store_true", help="name the cells, and who takes part")
    parser.add_argument("--seconds", type=float, default=3.0, help="of each contestant in a cell")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--again", action="store_true", help="measure what is finished anew")
    parser.add_argument("-o", "--output", type=Path, default=Path("outputs/benchmark"))
    options = parser.parse_args()
    cells = all_cells(options.device)
    names = chosen(cells, options.only)
    if options.list:
        for name in names:
            print(f"{name}: {', '.join(contestants(cells[name]))}")
        return
    missing = missing_peers()
    store = Store(options.output / "benchmark.json")
    for name in names:
        if name in store.records and not options.again:
            continue
        taking_part = [who for who in contestants(cells[name]) if who not in missing]
        try:
            found = contest(
                cells[name],
                taking_part,
                seconds=options.seconds,
                rounds=options.rounds,
                threads=options.threads,
            )
        except RuntimeError as error:
            print(f"{name}: failed ({error})", flush=True)
            continue
        record = {"contestants": found, "machine": machine(options.threads)}
        store.add(name, record)
        print(line(name, record), flush=True)
    if store.records:
        write(store.records, options.output)
        print(f"{options.output}: benchmark.json, table.md, benchmark.png")


if __name__ == "__main__":
    main()
