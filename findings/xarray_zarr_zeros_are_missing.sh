#!/usr/bin/env bash
# xarray 2026.9.0, zarr 3.1.6, Python 3.11.
#
# A good engineer would guess: the zeros of an array in a zarr store are zeros, or at the least
#   `use_zarr_fill_value_as_mask=False`, which exists for this, keeps them so.
# What happens: of a store in format 2 whose fill value is 0, the usual one, every zero is
#   read as NaN, with that option as without; the same array in format 3 keeps its zeros.
# What to do: open with `mask_and_scale=False` and apply scale, offset and `_FillValue` by hand.
set -euo pipefail
work=$(mktemp -d); trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet xarray==2026.9.0 zarr==3.1.6
cd "$work"
"$work/venv/bin/python" -W ignore - <<'PYTHON'
import numpy as np
import xarray as xr
import zarr

print("xarray", xr.__version__, "zarr", zarr.__version__)
lost = {}
for form in (2, 3):
    group = zarr.open_group(f"store{form}", mode="w", zarr_format=form)
    names = {} if form == 2 else {"dimension_names": ["y", "x"]}
    array = group.create_array("u", shape=(4, 4), dtype="f4", fill_value=0, **names)
    array.attrs["_ARRAY_DIMENSIONS"] = ["y", "x"]
    array[:] = np.eye(4)
    for how in ({}, {"use_zarr_fill_value_as_mask": False}, {"mask_and_scale": False}):
        read = xr.open_zarr(f"store{form}", chunks=None, consolidated=False, **how)
        lost[form, *how] = int(np.isnan(read.u.values).sum())
        print(f"format {form}, {how or 'no option'}: {lost[form, *how]} of 12 zeros read as NaN")
usual = {
    (2,): 12, (2, "use_zarr_fill_value_as_mask"): 12, (2, "mask_and_scale"): 0,
    (3,): 0, (3, "use_zarr_fill_value_as_mask"): 0, (3, "mask_and_scale"): 0,
}
raise SystemExit(0 if lost == usual else "changed: other zeros are missing now")
PYTHON
