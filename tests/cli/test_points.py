"""A user's own points: what can be read, and what is said about what cannot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from genlab.cli.point_files import read_points, write_table
from genlab.errors import UserError

X = np.array([[0.5, -1.0], [2.0, 3e-3], [1e10, 4.0]])


@pytest.mark.parametrize(
    ("text", "columns"),
    [
        ("0.5,-1\n2,3e-3\n1e10,4\n", ("x1", "x2")),
        ("a,b\n0.5,-1\n2,3e-3\n1e10,4", ("a", "b")),
        ('\ufeff"a, 1" , b\r\n0.5, -1\r\n2,3e-3\r\n1e10,4\r\n', ("a, 1", "b")),
        ("# a,b\n0.5,-1\n\n2,3e-3\n1e10,4\n\n", ("a", "b")),
        ('"0.5","-1"\n"2","3e-3"\n"1e10","4"\n', ("x1", "x2")),
        ("0,5;-1\n2;3e-3\n1e10;4\n", ("x1", "x2")),
        (",b,a\n0,0.5,-1\n1,2,3e-3\n2,1e10,4\n", ("b", "a")),
        ("x2,x1,log_prob\n-1,0.5,7\n3e-3,2,7\n4,1e10,7\n", ("x1", "x2")),
    ],
)
def test_csv(tmp_path: Path, text: str, columns: tuple[str, ...]) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text, encoding="utf-8")
    points = read_points(path, (2,))
    np.testing.assert_array_equal(points.x, X)
    assert points.x.dtype == np.float64
    assert points.columns == columns


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no rows"),
        ("a,b\n", "holds no rows"),
        ("1,2,3\n", r"expected 2 columns \(x1, x2\), got 3"),
        ("a,b,c\n1,2,3\n", r"expected 2 columns, .* shape \[2\]; got 3 \(a, b, c\)"),
        ("1,2\n3\n", "line 2 has 1 cells, but others have 2"),
        ("a,b\n1,2\n3,four\n", r"column 'b' holds text \('four'\)"),
        ("a,b\n1,2\n3,\n", "row 2, column 2 is not a finite number"),
        ("a,1\n1,2\n", r"line 1 \(a, 1\) may be names or a row; write a line of names above it"),
        ("1,2\n3,nan\n", "row 2, column 2 is not a finite number"),
    ],
)
def test_csv_mistakes(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "points.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=f"-i {path}: {message}"):
        read_points(path, (2,))


def test_arrays(tmp_path: Path) -> None:
    for dtype in (np.float32, np.int64):
        np.save(tmp_path / "x.npy", np.arange(8).reshape(2, 4).astype(dtype))
        assert read_points(tmp_path / "x.npy", (4,)).x.shape == (2, 4)
        assert read_points(tmp_path / "x.npy", (1, 2, 2)).x.shape == (2, 1, 2, 2)
    np.savez(tmp_path / "x.npz", x=X, other=X[:1])
    np.testing.assert_array_equal(read_points(tmp_path / "x.npz", (2,)).x, X)
    np.savez(tmp_path / "only.npz", points=X)
    np.testing.assert_array_equal(read_points(tmp_path / "only.npz", (2,)).x, X)


def test_a_vector_is_one_point_or_many_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.arange(3.0))
    assert read_points(tmp_path / "x.npy", (3,)).x.shape == (1, 3)
    assert read_points(tmp_path / "x.npy", (1,)).x.shape == (3, 1)


def test_array_mistakes(tmp_path: Path) -> None:
    np.save(tmp_path / "text.npy", np.array(["a"]))
    np.save(tmp_path / "empty.npy", np.empty((0, 2)))
    np.save(tmp_path / "object.npy", np.array([{}], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "two.npz", a=X, b=X)
    (tmp_path / "torn.npy").write_bytes(b"\x93NUMPY")
    (tmp_path / "torn.npz").write_bytes(b"PK\x03\x04")
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    messages = {
        "text.npy": "expected rows of numbers, got <U1",
        "empty.npy": "holds no rows",
        "object.npy": r"not an array that numpy can read \(it holds Python objects\)",
        "two.npz": r"array x of rows, or columns of one length; found a \[\d, 2\], b \[\d, 2\]",
        "torn.npy": "not an array that numpy can read",
        "torn.npz": "not an array that numpy can read",
        "binary.csv": "not a text file in UTF-8",
        "missing.csv": "no such file",
        "points.xlsx": "expected a file that ends in .csv",
    }
    for name, message in messages.items():
        with pytest.raises(UserError, match=message):
            read_points(tmp_path / name, (2,))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_tables_keep_every_digit(tmp_path: Path, dtype: type[np.floating]) -> None:
    rows = np.random.default_rng(0).normal(size=(100, 2)).astype(dtype)
    write_table(tmp_path / "x.csv", ("a", "b"), rows)
    points = read_points(tmp_path / "x.csv", (2,))
    np.testing.assert_array_equal(points.x.astype(dtype), rows)
    assert points.columns == ("a", "b")
