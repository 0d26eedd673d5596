"""Fields in files of many formats, read in parts; without torch."""

from __future__ import annotations

from genlab.data.field_files.facts import look_at_fields, rows_of, stored_facts
from genlab.data.field_files.opened import READ, parts_of, variables
from genlab.data.field_files.rows import FieldRows
from genlab.data.field_files.variable import AXES, Variable

__all__ = [
    "AXES",
    "READ",
    "FieldRows",
    "Variable",
    "look_at_fields",
    "parts_of",
    "rows_of",
    "stored_facts",
    "variables",
]
