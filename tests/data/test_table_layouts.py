"""Files as people have them: each is read rightly, or refused with advice that works when typed.

``pytest -sq tests/data/test_table_layouts.py`` prints what becomes of each.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from genlab.cli.point_files import read_points, read_rows
from genlab.config import config_dir
from genlab.config.keys import Keys
from genlab.data import TableData
from genlab.errors import UserError

CONFIG = OmegaConf.load(config_dir() / "data" / "table.yaml")
DEFAULTS = OmegaConf.to_container(OmegaConf.masked_copy(CONFIG, [*CONFIG][2:]), resolve=False)
N = 40
X = np.random.default_rng(0).normal([0, 0, 10], 1, (N, 3)).round(6)
F = pd.DataFrame(X, columns=list("abc"))
COUNT = np.random.default_rng(1).integers(-50, 50, (N, 3))
WAY = Callable[[Path], Path]
# What the command line makes of a refusal.
KEYS = Keys({"data": {**DEFAULTS, "path": "???"}})


@dataclass(frozen=True)
class Layout:
    """A file, and what is to become of it.

    Attributes:
        name: Of the file.
        content: Its text or bytes, or what writes it.
        names: Of the columns that are learned.
        truth: Their numbers; None for those of `X`.
        index: Of the columns that are left out.
        told: What the refusal says; None where the file is read.
        way: Words of the refusal that lead on: settings, a command, or a change by hand.
    """

    name: str
    content: str | bytes | Callable[[Path], Any]
    names: str = "a b c"
    truth: Any = None
    index: tuple[str, ...] = ()
    told: str | None = None
    way: str | WAY | None = None


def text(frame: pd.DataFrame = F, index: bool = False, **options: Any) -> str:
    return str(frame.to_csv(index=index, **options))


def lines(first: str, rows: Any, cell: Callable[[Any], str] = str, sep: str = ",") -> str:
    body = [sep.join(map(cell, row)) for row in np.asarray(rows).tolist()]
    return "\n".join([first, *body] if first else body) + "\n"


def without(line: int) -> WAY:
    """Take a line out by hand."""

    def way(path: Path) -> Path:
        kept = path.read_text().splitlines()
        del kept[line - 1]
        path.write_text("\n".join(kept))
        return path

    return way


def head(line: str) -> WAY:
    """Write another first line by hand."""

    def way(path: Path) -> Path:
        path.write_text("\n".join([line, *path.read_text().splitlines()[1:]]))
        return path

    return way


def comma(value: Any) -> str:
    return str(value).replace(".", ",")


def quoted(value: Any) -> str:
    return f'"{value}"'


def extra(values: Any) -> pd.DataFrame:
    return F.assign(d=np.resize(np.asarray(values, dtype=object), N))


FILTERED = F.iloc[::-1]
HOURS = pd.date_range("2024-01-01", periods=N, freq="h")
PAIRS = pd.MultiIndex.from_product([["u", "v"], range(N // 2)])
T = np.round(np.arange(N) * 0.03, 6)
PATH = np.column_stack([T, np.cos(T).round(6)])
LATE = (
    np.column_stack([np.arange(500) % 7, np.arange(500) % 3])
    + 0.5 * (np.arange(500) > 300)[:, None]
)
DROP_D = "\"data.drop=['d %']\""

TEXTS = {
    "commas": Layout("t.csv", text()),
    "semicolons": Layout("t.csv", text(sep=";")),
    "tabs, BOM, CRLF": Layout("t.tsv", text(sep="\t", lineterminator="\r\n").encode("utf-8-sig")),
    "pipes": Layout("t.csv", text(sep="|")),
    "pipes with blanks, on both sides": Layout(
        "t.txt",
        "".join(f"| {' | '.join(line.split(','))} |\n" for line in text().splitlines()),
        index=("unnamed0",),
    ),
    "blanks, as numpy writes": Layout("t.txt", lambda p: np.savetxt(p, X), "x1 x2 x3"),
    "aligned by blanks, with names": Layout("t.txt", F.to_string(index=False)),
    "no names": Layout("t.csv", text(header=False), "x1 x2 x3"),
    "no names, whole numbers": Layout("t.csv", lines("", COUNT), "x1 x2 x3", COUNT),
    "one column": Layout("t.csv", text(F[["a"]]), "a", X[:, :1]),
    "upper case name of the file": Layout("T.CSV", text()),
    "decimal commas, semicolons": Layout("t.csv", text(sep=";", decimal=",")),
    "decimal commas, tabs": Layout("t.txt", text(sep="\t", decimal=",")),
    "decimal commas, blanks, no names": Layout("t.txt", lines("", X, comma, " "), "x1 x2 x3"),
    "decimal commas, semicolons, no names": Layout("t.csv", lines("", X, comma, ";"), "x1 x2 x3"),
    "decimal commas in quotes, commas": Layout(
        "t.csv", lines("a,b,c", X, lambda value: quoted(comma(value)))
    ),
    "decimal commas, commas": Layout(
        "my t.csv",
        lines("a,b,c", X, comma),
        told="line 2 has 6 cells, but line 1 has 3 names",
        way="sed",
    ),
    "decimal commas, commas, no names": Layout(
        "t.csv",
        lines("", X, lambda value: comma(f"{value:.6f}")),
        "x1 x2 x3",
        told="line 1 and below hold -0",
        way="sed",
    ),
    "commas for decimals or thousands": Layout(
        "t.csv",
        lines("a;b", 5 + abs(X[:, :2]), lambda value: comma(f"{value:.3f}"), ";"),
        "a b",
        (5 + abs(X[:, :2])).round(3),
        told="the comma in .* decimals or thousands",
        way="sed",
    ),
    "decimal commas, one column": Layout(
        "t.csv",
        lines("a", X[:, :1], comma),
        "a",
        X[:, :1],
        told="line 2 has 2 cells, but line 1 has 1 names; .* as R writes",
        way="sed -E",
    ),
    "positive decimal commas, commas, no names": Layout(
        "t.csv",
        lines("", X % 1 * 3, lambda value: comma(f"{value:.3f}")),
        "x1 x2 x3",
        (X % 1 * 3).round(3),
        told="line 1 and below hold 0",
        way="sed -E",
    ),
    "decimal commas that begin late": Layout(
        "t.csv", lines("a;b", LATE, lambda value: comma(f"{value:g}"), ";"), "a b", LATE
    ),
    "points for thousands, decimal commas": Layout(
        "t.csv",
        "a;b\n" + "".join(f"{comma(a)};1.{k + 100}\n" for k, a in enumerate(X[:, 0])),
        "a b",
        told="1.100 has a point, but other numbers have decimal commas",
        truth=np.column_stack([X[:, 0], 1100 + np.arange(N)]),
        way=r"sed 's/\.",
    ),
    "Excel: sep=; above": Layout("t.csv", "sep=;\r\n" + text(sep=";", decimal=",")),
    "comments above": Layout("t.csv", "# measured 2024, lab 3\n# m, s, kg\n\n" + text()),
    "comments above, no names": Layout(
        "t.csv", "# measured 2024, lab 3\n# m, s\n" + text(header=False), "x1 x2 x3"
    ),
    "names in a comment, as numpy writes": Layout(
        "t.csv", lambda p: np.savetxt(p, X, delimiter=",", header="run 7\na,b,c")
    ),
    "names in a comment, a column of words": Layout(
        "t.csv",
        lines("#chrom,b,c", np.column_stack([["chr1"] * N, X[:, 1:].astype(str)])),
        "b c",
        X[:, 1:],
        told="column 'chrom' holds text",
        way="data.drop=[chrom]",
    ),
    "comments between rows": Layout(
        "t.csv",
        "# one\n" + text().replace("\n", "\n# note, of 2\n"),
    ),
    "blank lines": Layout("t.csv", "\n\n" + text().replace("\n", "\n\n")),
    "separators at the end of rows": Layout(
        "t.csv", text().replace("\n", ",\n").replace("c,", "c")
    ),
    "separators at the end of all lines": Layout("t.csv", text(sep=";").replace("\n", ";;\n")),
    "quoted names over two lines": Layout(
        "t.csv", '"a","b\n(m)","c"\n' + text(header=False), "a|b (m)|c"
    ),
    "quoted numbers": Layout("t.csv", lines("", X, quoted), "x1 x2 x3"),
    "blanks after commas": Layout("t.csv", text().replace(",", ", ")),
    "pandas' index": Layout("t.csv", text(index=True), index=("unnamed0",)),
    "pandas' index, filtered": Layout(
        "t.csv", text(FILTERED, index=True), truth=X[::-1], index=("unnamed0",)
    ),
    "pandas' index, twice": Layout(
        "t.csv", text(F.rename_axis("Unnamed: 0"), index=True), index=("Unnamed: 0",)
    ),
    "pandas' index, of dates": Layout(
        "t.csv", text(F.set_index(HOURS), index=True), index=("unnamed0",)
    ),
    "pandas' index, of two levels": Layout(
        "t.csv", text(F.set_index(PAIRS), index=True), index=("unnamed0", "unnamed1")
    ),
    "pandas' index, no names": Layout(
        "t.csv",
        text(index=True, header=False),
        "x2 x3 x4",
        told="column 'x1' numbers the rows",
        way="data.drop=[x1]",
    ),
    "pandas' index, made a column": Layout(
        "t.csv",
        text(FILTERED.reset_index()),
        truth=X[::-1],
        told="column 'index' numbers the rows",
        way="data.drop=[index]",
    ),
    "R's write.csv": Layout(
        "t.csv",
        '"","a","b","c"\n'
        + text(F.set_index(F.index.astype(str)), index=True, header=False, quoting=2),
        index=("unnamed0",),
    ),
    "R's write.table": Layout(
        "t.txt",
        '"a" "b" "c"\n' + text(F.set_index(F.index + 1), index=True, header=False, sep=" "),
        index=("row.names",),
    ),
    "R's write.table, commas": Layout(
        "t.csv",
        '"a","b","c"\n'
        + text(F.set_index("car " + F.index.astype(str)), index=True, header=False, quoting=2),
        index=("row.names",),
    ),
    "R's write.table, filtered": Layout(
        "t.csv",
        "a,b,c\n" + text(F.set_index(F.index * 3 + 5), index=True, header=False),
        told="line 2 has 4 cells, but line 1 has 3 names; .* as R writes",
        way="sed",
        index=("unnamed0",),
    ),
    "names 0, 1, 2": Layout("t.csv", text(pd.DataFrame(X)), "0 1 2"),
    "names 0, 1, as numpy's numbers": Layout(
        "t.csv", text(pd.DataFrame(X[:, :2])), "0 1", X[:, :2]
    ),
    "names 0, 1, 2 and pandas' index": Layout(
        "t.csv", text(pd.DataFrame(X), index=True), "0 1 2", index=("unnamed0",)
    ),
    "names of years": Layout("t.csv", lines("2019,2020,2021", X), "2019 2020 2021"),
    "names of years, whole numbers": Layout(
        "t.csv",
        lines("2019,2020,2021", COUNT),
        "2019 2020 2021",
        COUNT,
        told=r"line 1 \(2019, 2020, 2021\) may be names or a row",
        way="data.header=true",
    ),
    "names of wavelengths": Layout(
        "t.csv",
        lines("400.5,401.0,401.5", X),
        "400.5 401.0 401.5",
        told=r"line 1 \(400.5, 401.0, 401.5\) may be",
        way="data.header=true",
    ),
    "names of words and years": Layout(
        "t.csv",
        lines("a,2020,2021", X),
        "a 2020 2021",
        told=r"line 1 \(a, 2020, 2021\) may be",
        way="data.header=true",
    ),
    "names of numbers that are also in the rows": Layout(
        "t.csv",
        lines("2,0,9", X),
        "2 0 9",
        told="may be names or a row",
        way="data.header=true",
    ),
    "a path that starts at whole numbers, no names": Layout(
        "t.csv",
        lines("", PATH, "{:g}".format),
        "x1 x2",
        PATH,
        told="may be names or a row",
        way="data.header=false",
    ),
    "a line of units": Layout(
        "t.csv", "a,b,c\nm,s,kg\n" + text(header=False), told="line 2 holds words", way=without(2)
    ),
    "two lines of names": Layout(
        "t.csv",
        text(F.set_axis(pd.MultiIndex.from_product([["a"], list("xyz")]), axis=1)),
        "x y z",
        told="line 2 holds words",
        way=without(1),
    ),
    "a line that is too long, after a quoted one": Layout(
        "t.csv",
        '"a\n(m)",b,c\n' + text(header=False) + "1,2,3,4\n",
        "a (m)|b|c",
        told=f"line {N + 3} has 4 cells, but line 2 has 3 names",
        way=without(N + 3),
    ),
    "a line that is too short": Layout(
        "t.csv",
        text() + "1,2\n",
        told=f"line {N + 2} has 2 cells, but line 1 has 3 names",
        way=without(N + 2),
    ),
    "a line that is too short, no names": Layout(
        "t.txt",
        text(header=False, sep=" ") + "1 2\n",
        "x1 x2 x3",
        told=f"line {N + 1} has 2 cells, but others have 3",
        way=without(N + 1),
    ),
    "names that are too few": Layout(
        "t.csv",
        text().replace("a,b,c", "a,b"),
        told="line 2 has 3 cells, but line 1 has 2 names",
        way=head("a,b,c"),
    ),
    "a column twice": Layout(
        "t.csv",
        text().replace("a,b,c", "a,b,b"),
        told="several columns are called 'b'; give each",
        way=head("a,b,c"),
    ),
    "Windows' encoding": Layout(
        "t.csv",
        text().replace("a,b", "a,µ").encode("cp1252"),
        "a µ c",
        told="not a text file in",
        way="iconv",
    ),
    "UTF-16": Layout(
        "t.csv", text(sep="\t").encode("utf-16"), told="not a text file in UTF-8", way="iconv"
    ),
    "empty": Layout("t.csv", "", told="holds no rows"),
    "names only": Layout("t.csv", "a,b,c\n", told="holds no rows"),
    "mixed cells": Layout(
        "t.csv",
        text(extra([1.5, "high", "", 2])),
        told=r"column 'd' holds text \('high'\)",
        way="data.drop=[d]",
    ),
    "nullable integers": Layout(
        "t.csv",
        text(extra([1, 5, pd.NA, 2]).dropna()),
        "a b c d",
        extra([1, 5, np.nan, 2]).dropna().to_numpy(float),
    ),
    "missing cells in many spellings": Layout(
        "t.csv",
        text(extra(["1", "NA", "2", "-", "3", "NAN", "4", "#N/A", "1.#IND", "5"])),
        "a b c d",
        extra([1, np.nan, 2, np.nan, 3, np.nan, 4, np.nan, np.nan, 5]).dropna().to_numpy(float),
        told="20 of 40 rows lack a number",
        way="data.missing=drop",
    ),
    "booleans": Layout(
        "t.csv", text(extra([True, False])), "a b c d", extra([1, 0]).to_numpy(float)
    ),
}
WORDS = {
    "yes and no": ["yes", "no"],
    "dates": [f"2024-01-{day:02}" for day in range(1, 31)],
    "durations": ["0 days 00:00:01", "0 days 00:02:00"],
    "categories": ["low", "high"],
    "percent signs": ["12.5%", "7%"],
    "thousands parted by commas": ["1,234.5", "2,345.6"],
    "hexadecimals": ["0x1F", "0x2A"],
    "underscores": ["1_000", "2_000"],
    "complex numbers": ["1+2j", "3-1j"],
}
TEXTS |= {
    name: Layout(
        "t.csv", text(extra(words).rename(columns={"d": "d %"})),
        told=rf"column 'd %' holds text \({re.escape(repr(words[0]))}\)", way=DROP_D,
    )
    for name, words in WORDS.items()
}  # fmt: skip


def parquet(frame: pd.DataFrame, **expected: Any) -> Layout:
    return Layout("t.parquet", lambda path: frame.to_parquet(path), **expected)


def parquet_text(values: Any, cell: str) -> Layout:
    return parquet(
        F.assign(d=values), told=rf"column 'd' holds text \('{cell}'\)", way="data.drop=[d]"
    )


BINARY = {
    "Parquet": parquet(F),
    "Parquet, filtered": parquet(F[F["a"] > 0], truth=X[X[:, 0] > 0],
                                 index=("__index_level_0__",)),
    "Parquet, shuffled": parquet(FILTERED.set_index(F.index[::-1]), truth=X[::-1]),
    "Parquet, sampled": parquet(F.sample(frac=1, random_state=0), index=("__index_level_0__",),
                                truth=F.sample(frac=1, random_state=0).to_numpy()),
    "Parquet, keyed": parquet(F.assign(t=HOURS).set_index("t"), index=("t",)),
    "Parquet, two keys": parquet(F.set_index(PAIRS), index=("__index_level_0__",
                                                            "__index_level_1__")),
    "Parquet, index made a column": parquet(
        FILTERED.reset_index(), truth=X[::-1], told="column 'index' numbers the rows",
        way="data.drop=[index]",
    ),
    "Parquet, categories": parquet_text(pd.Categorical(np.resize(["low", "high"], N)), "low"),
    "Parquet, categories of numbers": parquet(
        F.assign(d=pd.Categorical(np.resize([1, 2], N))), names="a b c d",
        truth=extra([1, 2]).to_numpy(float),
    ),
    "Parquet, nullable integers": parquet(
        F.assign(d=pd.array(np.resize([1, 2, 3, 4], N), dtype="Int64")).assign(
            d=lambda frame: frame["d"].mask(frame["d"] == 3)),
        names="a b c d", truth=extra([1, 2, np.nan, 4]).dropna().to_numpy(float),
        told="10 of 40 rows lack a number", way="data.missing=drop",
    ),
    "Parquet, nullable booleans": parquet(
        F.assign(d=pd.array(np.resize([True, False], N), dtype="boolean")), names="a b c d",
        truth=extra([1, 0]).to_numpy(float),
    ),
    "Parquet, dates": parquet_text(HOURS, "2024-01-01.*"),
    "Parquet, durations": parquet_text(pd.to_timedelta(np.arange(N), unit="s"), "0 days.*"),
    "NPY": Layout("t.npy", lambda path: np.save(path, X), "x1 x2 x3"),
    "NPZ": Layout("t.npz", lambda path: np.savez(path, x=X, y=X[:, 0]), "x1 x2 x3"),
    "NPY, complex": Layout("t.npy", lambda path: np.save(path, X + 1j), told="expected rows of "),
    "NPY, chains": Layout("t.npy", lambda path: np.save(path, X.reshape(4, 10, 3)),
                          told=r"expected rows of numbers, got float64 of shape \[4, 10, 3\]"),
}  # fmt: skip
LAYOUTS = {**TEXTS, **BINARY}


def write(layout: Layout, folder: Path) -> Path:
    path = folder / layout.name
    if callable(layout.content):
        pytest.importorskip("pyarrow")
        layout.content(path)
    elif isinstance(layout.content, str):
        path.write_text(layout.content, newline="")
    else:
        path.write_bytes(layout.content)
    return path


def table(path: Path, *words: str) -> TableData:
    """What ``genlab train data=table`` makes of a file and some words of the command line."""
    node = {**DEFAULTS, "path": str(path), "split_seed": None, "precision": "64-true", "seed": 0}
    for word in OverridesParser.create().parse_overrides(list(words)):
        node[word.key_or_group.removeprefix("data.")] = word.value()
    facts = {key: value for key, value in TableData.facts(**node).items() if node[key] is None}
    return TableData(**{**node, **facts})


def rows_of(data: TableData) -> np.ndarray:
    assert data.test is not None
    return torch.cat([data.training_set.x, data.validation.x, data.test.x]).numpy()


def follow(message: str, way: str | WAY, path: Path) -> TableData:
    """Do what the refusal says."""
    if callable(way):
        return table(way(path))
    if way.startswith(("sed", "iconv")):
        command = re.search(rf"{re.escape(way)}.* > (\w+.csv)(?=;|$)", message, re.M)
        assert command is not None, message
        subprocess.run(command[0], shell=True, check=True, cwd=path.parent)
        return table(path.parent / command[1])
    assert way in message
    return table(path, *shlex.split(way))


@pytest.mark.parametrize("name", LAYOUTS)
def test_layouts(tmp_path: Path, name: str) -> None:
    layout = LAYOUTS[name]
    path = write(layout, tmp_path)
    if layout.told is None:
        outcome = "read"
        data = table(path)
    else:
        with pytest.raises(UserError) as caught:
            _ = table(path).training_set
        message = KEYS.told(str(caught.value), "data")
        assert re.search(f"data.path={re.escape(str(path))}: .*{layout.told}", message), message
        outcome = message.partition(": ")[2].replace("\n", " | ").replace(f"{tmp_path}/", "")
        if layout.way is None:
            print(f"{name:48} {outcome}")
            return
        data = follow(message, layout.way, path)
    rows, truth = rows_of(data), X if layout.truth is None else layout.truth
    names = tuple(layout.names.split("|" if "|" in layout.names else " "))
    assert (data.columns, data.index) == (names, layout.index)
    np.testing.assert_array_equal(rows, truth)
    assert any("left out" in one for one in data.remarks) == bool(layout.index) or layout.told
    print(f"{name:48} {outcome}")

    # What was learned can be scored: no row more, none less.
    assert data.paths["path"] is not None
    used = Path(data.paths["path"])
    if data.reading.missing == "error":
        scored = read_rows(used, data)
        np.testing.assert_array_equal(scored.x, truth)
    if layout.told is None:
        np.testing.assert_array_equal(read_points(used, (len(names),)).x, truth)
