"""A pickled pandas frame, read without letting the pickle call anything else."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

from pandas.compat.pickle_compat import Unpickler

from genlab.errors import UserError

__all__ = ["read_frame"]

# What pandas and numpy build frames of numbers from, by the last part of each name; a pickle that
# asks for anything else, such as `os.system`, is refused.
BUILDERS = {
    "numpy": {"_frombuffer", "_reconstruct", "dtype", "ndarray", "scalar"},
    "pandas": {
        "ArrowStringArray",
        "BlockManager",
        "DataFrame",
        "Float64Index",
        "Index",
        "Int64Index",
        "NumpyExtensionArray",
        "RangeIndex",
        "StringArray",
        "StringDtype",
        "_new_Index",
        "_unpickle_block",
        "new_block",
    },
}
# Where pandas kept its indexes when the archive was made.
MOVED = {"pandas.indexes": "pandas.core.indexes", "pandas.core.index": "pandas.core.indexes.api"}
OTHERS = {("_codecs", "encode"), ("builtins", "slice"), ("__builtin__", "slice")}


class _FrameUnpickler(Unpickler):  # type: ignore[misc]
    def find_class(self, module: str, name: str) -> Any:
        allowed = BUILDERS.get(module.partition(".")[0], set())
        if name not in allowed and (module, name) not in OTHERS:
            raise pickle.UnpicklingError(f"it asks for {module}.{name}")
        for old, new in MOVED.items():
            if module == old or module.startswith(f"{old}."):
                module = module.replace(old, new, 1)
        return super().find_class(module, name)


def read_frame(path: Path, where: str) -> Any:
    """The data frame of a pickle, whose parts are looked up by a list of known ones only.

    An ordinary unpickler runs whatever the file names.

    Args:
        path: The file.
        where: What the user set to name it, for messages.

    Raises:
        UserError: The file is damaged, of a version that pandas no longer reads, or holds
            something other than a frame of numbers.
    """
    import pandas as pd

    try:
        with path.open("rb") as file:
            # Python 2 wrote the archive's file: its bytes are text.
            frame = _FrameUnpickler(file, encoding="latin-1").load()
    except Exception as error:  # a damaged pickle raises anything
        raise UserError(
            f"{where}: {path} cannot be read as a frame of numbers ({error}); if you trust it, let "
            f"a pandas of its time write {path.stem}.csv (index=False) beside it"
        ) from error
    if not isinstance(frame, pd.DataFrame):
        raise UserError(f"{where}: {path} holds no data frame but a {type(frame).__name__}")
    return frame
