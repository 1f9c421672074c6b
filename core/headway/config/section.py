"""The base of the sections of ``headway.toml``, and the types of paths and names in them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo


def _from_folder(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        return value
    if not value or "\0" in value:
        raise ValueError("must name a file or folder")
    path = Path(value).expanduser()
    folder = (info.context or {}).get("folder")
    return path if folder is None else Path(folder) / path


FilePath = Annotated[Path, BeforeValidator(_from_folder, json_schema_input_type=str)]
"""A path in the file; a relative one counts from the file's folder, ``~`` is the user's home."""


def _named_in_folder(value: object, info: ValidationInfo) -> object:
    """Return ``file.py:name`` with the file as :data:`FilePath` has it."""
    if not isinstance(value, str):
        return value
    file, colon, name = value.rpartition(":")
    if not colon or not name.isidentifier():
        raise ValueError("must be a Python file and a name in it, as file.py:name")
    return f"{_from_folder(file, info)}:{name}"


NAMED = BeforeValidator(_named_in_folder, json_schema_input_type=str)
"""The mark of settings that name something in a Python file."""

PythonName = Annotated[str, NAMED]
"""A name in a Python file, as ``file.py:name``; a relative file counts from the folder of ``headway.toml``."""

Name = Annotated[str, Field(min_length=1, max_length=256)]


class Section(BaseModel):
    """A table of the file: types are exact, unknown keys are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
