"""Images from files: MNIST's four, and a folder of the user's own."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genlab.config.check import check
from genlab.config.compose import compose
from genlab.data import IDXFiles, ImageFolder
from genlab.data.image_sources import IDX_NAMES
from genlab.errors import UserError

FILES = [name for names in IDX_NAMES.values() for name in names]


def write_idx(path: Path, array: np.ndarray) -> None:
    header = struct.pack(">xxBB", 8, array.ndim) + struct.pack(f">{array.ndim}I", *array.shape)
    path.write_bytes(gzip.compress(header + array.tobytes()))


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, dict[str, np.ndarray]]:
    random = np.random.default_rng(0)
    arrays = {}
    for name in FILES:
        n = 10_020 if "train" in name else 30
        shape = (n, 4, 5) if "images" in name else (n,)
        arrays[name] = random.integers(0, 10, shape, np.uint8)
        write_idx(tmp_path / name, arrays[name])
    return tmp_path, arrays


def source(root: Path, sums: Path | None = None) -> IDXFiles:
    paths = {name: (sums or root) / name for name in FILES}
    md5 = {name: hashlib.md5(path.read_bytes()).hexdigest() for name, path in paths.items()}
    return IDXFiles(name="small", root=str(root), mirrors=["http://127.0.0.1:9/"], md5=md5)


def test_the_last_ten_thousand_training_images_are_held_out(
    files: tuple[Path, dict[str, np.ndarray]],
) -> None:
    folder, arrays = files
    splits = source(folder).read()
    assert [len(part.levels) for part in splits] == [20, 10_000, 30]
    images = torch.from_numpy(arrays[FILES[0]])
    assert torch.equal(splits.train.levels[:, 0], images[:20])
    assert torch.equal(splits.validation.levels[:, 0], images[20:])
    assert splits.test.labels is not None
    assert splits.test.labels.tolist() == arrays[FILES[3]].tolist()


def test_missing_and_damaged_files_are_named(files: tuple[Path, dict[str, np.ndarray]]) -> None:
    folder, _ = files
    empty = folder / "empty"
    empty.mkdir()
    with pytest.raises(UserError, match=r"no mirror has it .*Put these files into .*small"):
        source(empty, folder).read()
    whole = source(folder)
    (folder / FILES[1]).write_bytes(b"of another set, whose files have the same names")
    with pytest.raises(UserError, match=r"train-labels-idx1-ubyte.gz is not there"):
        whole.read()
    (folder / "small").mkdir(exist_ok=True)
    (folder / "small" / FILES[1]).write_bytes(b"no longer")
    with pytest.raises(UserError, match=r"train-labels-idx1-ubyte.gz is damaged"):
        whole.read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(40):
        name = tmp_path / ("cats" if number % 2 else "dogs") / f"{number:02}.png"
        name.parent.mkdir(exist_ok=True)
        pixels = np.full((6, 8, 3), number, np.uint8)
        Image.fromarray(pixels).save(name)
    return tmp_path


def test_a_folder_tells_its_shape_and_its_classes(folder: Path) -> None:
    config = compose("train", ["model=gmm", "data=image_folder", f"data.path={folder}",
                               "data.condition=label"])  # fmt: skip
    check(config)
    assert list(config.data.event_shape) == [3, 6, 8]
    assert (config.data.classes, config.model.labels) == (2, 2)
    splits = ImageFolder(str(folder)).read()
    assert [len(part.levels) for part in splits] == [32, 4, 4]
    for part in splits:
        # Odd numbers are cats, class 0.
        assert part.labels is not None
        assert torch.equal(part.levels[:, 0, 0, 0] % 2 == 0, part.labels == 1)
    small = ImageFolder(str(folder), size=[3, 4], grey=True).read().train
    assert small.levels.shape == (32, 1, 3, 4)


def test_a_folder_that_will_not_do_is_refused(folder: Path) -> None:
    with pytest.raises(UserError, match=r"^path=.*nowhere: no such folder"):
        ImageFolder(str(folder / "nowhere")).read()
    (folder / "none").mkdir()
    with pytest.raises(UserError, match="expected at least 10 images"):
        ImageFolder(str(folder / "none")).read()
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(folder / "dogs" / "other.png")
    with pytest.raises(UserError, match=r"has another size .* set `size=\[HEIGHT"):
        ImageFolder(str(folder)).read()
    (folder / "cats" / "01.png").write_bytes(b"text")
    with pytest.raises(UserError, match=r"01\.png is no image"):
        ImageFolder(str(folder)).read()
