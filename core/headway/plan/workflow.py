"""Plans of workflows: files that ``headway.toml`` names, and that are run by that name."""

from __future__ import annotations

from pathlib import Path

from headway.errors import InvalidConfig, InvalidPlan, UnsafeFile
from headway.plan.parse import MAX_BYTES
from headway.trust.ownership import read_owned


def read_workflow(path: Path) -> bytes:
    """Return the text of a workflow's plan.

    Raises :class:`headway.errors.UnsafeFile` for a file that others could have written, :class:`InvalidPlan` for one
    that cannot be read.
    """
    try:
        return read_owned(path, MAX_BYTES)
    except UnsafeFile:
        raise
    except InvalidConfig as error:
        raise InvalidPlan(error.message) from None
    except FileNotFoundError:
        raise InvalidPlan(f"{path}: there is no such file") from None
    except (OSError, ValueError) as error:
        raise InvalidPlan(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None
