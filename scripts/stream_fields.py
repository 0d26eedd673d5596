"""Peak memory of streaming a large file of fields, as a training does.

Writes a file of 2 GB, makes the batches of many steps from it, and prints the most memory that the
process held::

    python scripts/stream_fields.py
    python scripts/stream_fields.py --format hdf5 --gigabytes 4 --steps 2000
"""

from __future__ import annotations

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

SIDE, BLOCK, BATCH = 64, 1024, 128


def write(path: Path, fields: int) -> None:
    """Fields that are 0 but for one row of points."""
    shape = (fields, SIDE, SIDE)
    source = np.random.default_rng(0)

    def blocks() -> Iterator[np.ndarray]:
        for start in range(0, fields, BLOCK):
            block = np.zeros((min(BLOCK, fields - start), SIDE, SIDE), np.float32)
            block[:, 0] = source.normal(size=(len(block), SIDE))
            yield block

    if path.suffix == ".npy":
        with path.open("wb") as file:
            kind = {"descr": "<f4", "fortran_order": False, "shape": shape}
            np.lib.format.write_array_header_1_0(file, kind)
            for block in blocks():
                file.write(block.tobytes())
        return
    import h5py

    with h5py.File(path, "w") as file:
        array = file.create_dataset("w", shape, np.float32, chunks=(16, SIDE, SIDE))
        for number, block in enumerate(blocks()):
            array[number * BLOCK : number * BLOCK + len(block)] = block


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--format", choices=["npy", "hdf5"], default="npy")
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--steps", type=int, default=1000)
    parser.add_argument("--folder", help="where the file is written, and deleted")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / f"fields.{options.format}"
        fields = int(options.gigabytes * 1e9 / (4 * SIDE**2))
        write(path, fields)
        size = path.stat().st_size
        print(f"{path.name}: {fields:,} fields of {SIDE} x {SIDE}, {size / 1e9:.2f} GB", flush=True)
        stream(path, options.steps)


def stream(path: Path, steps: int) -> None:
    """The batches of some steps; then, with Lightning, what a training holds in memory besides."""
    written = peak()
    from genlab.data import ShuffledPools
    from genlab.data.field_files import FieldRows, stored_facts

    imported = peak()
    source = FieldRows(paths=[path])
    pools, seen = ShuffledPools(source, np.arange(len(source)), seed=0), 0.0
    began = time.perf_counter()
    for step in range(steps):
        x = pools.rows(step * BATCH, (step + 1) * BATCH).x
        seen += float(x.square().sum())
    took, rows = time.perf_counter() - began, steps * BATCH
    print(f"{rows:,} fields in {took:.1f} s, {rows / took:,.0f} a second")
    print(f"energy {seen / (rows * SIDE):.3f} of 1 in the rows that are not 0")
    print(f"peak memory: {written} MB written, {imported} MB with torch, {peak()} MB streamed")
    from genlab.imports import without_signal

    with without_signal():  # as the command imports Lightning
        from genlab.data import StoredFields

    settings: dict[str, Any] = {
        **{"path": str(path), "channels": None, "condition": [], "lag": 0, "steps": None},
        **{"size": None, "stride": 1, "windows": "tiles", "axes": None, "periodic": None},
        **{"val_fraction": 0.1, "test_fraction": 0.1, "split_seed": 0, "train_size": None},
        **{"val_size": 1000, "test_size": 2000, "batch_size": BATCH, "standardise": True},
        **{"alike": "orbits", "seed": 0},
    }
    lightning = peak()
    data = StoredFields(**settings | stored_facts(**settings))
    held_out = [data.validation, data.test]
    for step in range(steps):
        data.stream.rows(step * BATCH, (step + 1) * BATCH)
    sizes = " and ".join(str(len(part.x)) for part in held_out if part is not None)
    print(f"with Lightning {lightning} MB, with {sizes} fields held out {peak()} MB")


def peak() -> int:
    """The most memory that the process held so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1000


if __name__ == "__main__":
    main()
