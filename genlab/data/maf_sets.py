"""The five tables of the density estimation literature, prepared and split as MAF did.

Papamakarios, Pavlakou, Murray, "Masked autoregressive flow for density estimation" (2017),
appendix D; the files are those of zenodo.org/records/1161203. Numbers published since are nats in
the units that this preparation ends with, so any further scaling has to count its Jacobian.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Unpack

import numpy as np
import torch
from jaxtyping import Float

from genlab.batch import Batch
from genlab.data.fixed_sets import FixedSets, Sets
from genlab.data.module import SetOptions
from genlab.errors import UserError

__all__ = ["BSDS300", "Gas", "Hepmass", "MAFSet", "MiniBooNE", "Power"]

ARCHIVE = "zenodo.org/records/1161203"


class MAFSet(FixedSets):
    """One of the five, from the folder that the archive unpacks to.

    Args:
        root: The folder; it holds one folder for each set.
        **options: Those of `FixedSets`.

    Attributes:
        files: What is read, below the root.
        instead: What a user may put in the place of some of them.
    """

    files: ClassVar[tuple[str, ...]]
    instead: ClassVar[dict[str, str]] = {}

    def __init__(self, *, root: str, **options: Unpack[SetOptions]) -> None:
        super().__init__(**options)
        self.root = root

    def _prepare(self) -> Sequence[Float[np.ndarray, "_ d"]]:
        """Rows to learn from, to validate and to test on."""
        raise NotImplementedError

    def _read(self) -> Sets:
        missing = [name for name in self.files if not self._place(name).is_file()]
        if missing:
            raise UserError(
                f"root={self.root}: {' and '.join(missing)} missing there; unpack data.tar.gz "
                f"of {ARCHIVE} and set `root` or GENLAB_DATA to its folder data"
            )
        parts = [np.asarray(rows, dtype=np.float32) for rows in self._prepare()]
        width = parts[0].shape[1]
        if (width,) != self.event_shape:
            raise UserError(
                f"event_shape={list(self.event_shape)}: {self.files[0]} has {width} columns "
                "after its preparation; it is not the archive's"
            )
        train, validation, test = (Batch(torch.from_numpy(rows)) for rows in parts)
        return Sets(train, validation, test)

    def _path(self, index: int = 0) -> Path:
        return self._place(self.files[index])

    def _place(self, name: str) -> Path:
        other = Path(self.root) / self.instead.get(name, name)
        return other if other.is_file() else Path(self.root) / name


class Power(MAFSet):
    """Electric power of a household: shuffled, two columns left out, grids made continuous."""

    files = ("power/data.npy",)

    def _prepare(self) -> Sequence[Float[np.ndarray, "_ d"]]:
        random = np.random.RandomState(42)
        rows = np.load(self._path(), allow_pickle=False)
        random.shuffle(rows)
        rows = np.delete(rows, [1, 3], axis=1)
        # The draws in the order of the original: voltage, active power, three meters.
        voltage, power = 0.01 * random.rand(len(rows), 1), 0.001 * random.rand(len(rows), 1)
        meters = random.rand(len(rows), 3)
        noise = np.hstack((power, voltage, meters, np.zeros((len(rows), 1))))
        return _normalised(_split(rows + noise))


class Gas(MAFSet):
    """Sensors in a mixture of ethylene and CO, without those that follow others."""

    files = ("gas/ethylene_CO.pickle",)
    instead: ClassVar[dict[str, str]] = {files[0]: "gas/ethylene_CO.csv"}

    def _prepare(self) -> Sequence[Float[np.ndarray, "_ d"]]:
        # pandas takes half a second to import.
        import pandas as pd

        from genlab.data.frame_pickle import read_frame

        path = self._path()
        own = path.suffix == ".csv"
        frame = pd.read_csv(path) if own else read_frame(path, f"root={self.root}")
        frame = frame.drop(columns=["Meth", "Eth", "Time"])
        while True:
            followers = (frame.corr() > 0.98).to_numpy().sum(1) > 1
            if not followers.any():
                break
            frame = frame.drop(columns=frame.columns[int(followers.argmax())])
        frame = (frame - frame.mean()) / frame.std()
        return _split(frame.to_numpy())


class Hepmass(MAFSet):
    """Particle collisions: signal only, without columns whose smallest value repeats."""

    files = ("hepmass/1000_train.csv", "hepmass/1000_test.csv")

    def _prepare(self) -> Sequence[Float[np.ndarray, "_ d"]]:
        train, test = self._signal(0), self._signal(1)
        # The test file has a column more, at its end.
        test = test.iloc[:, :-1]
        mean, std = train.mean(), train.std()
        scaled = [((rows - mean) / std).to_numpy() for rows in (train, test)]
        smallest = (scaled[0] == scaled[0].min(0)).sum(0)
        train, test = (rows[:, smallest <= 5] for rows in scaled)
        held = int(len(train) * 0.1)
        return train[:-held], train[-held:], test

    def _signal(self, index: int) -> Any:
        import pandas as pd

        frame = pd.read_csv(self._path(index), index_col=False)
        label = frame.columns[0]
        return frame[frame[label] == 1].drop(columns=label)


class MiniBooNE(MAFSet):
    """Neutrino events; outliers and repeating columns are out of the archive's file already."""

    files = ("miniboone/data.npy",)

    def _prepare(self) -> Sequence[Float[np.ndarray, "_ d"]]:
        return _normalised(_split(np.load(self._path(), allow_pickle=False)))


class BSDS300(MAFSet):
    """Patches of 8 x 8 pixels of natural images, their mean taken out, without the last pixel."""

    files = ("BSDS300/BSDS300.hdf5",)

    def _prepare(self) -> Sequence[Float[np.ndarray, "_ d"]]:
        try:
            import h5py
        except ImportError as error:
            raise UserError(
                "`BSDS300`: its file takes the package h5py; pip install h5py"
            ) from error
        with h5py.File(self._path()) as file:
            return [file[part][:] for part in ("train", "validation", "test")]


def _split(rows: Float[np.ndarray, "n d"]) -> list[Float[np.ndarray, "_ d"]]:
    """The last tenth tests, the last tenth of the rest validates."""
    n_test = int(0.1 * len(rows))
    rest = len(rows) - n_test
    return np.split(rows, [rest - int(0.1 * rest), rest])


def _normalised(parts: list[Float[np.ndarray, "_ d"]]) -> list[Float[np.ndarray, "_ d"]]:
    """By mean and standard deviation of all rows but those of the test."""
    known = np.vstack(parts[:2])
    return [(rows - known.mean(0)) / known.std(0) for rows in parts]
