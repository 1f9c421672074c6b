"""The end of a command: every error becomes one line on stderr and an exit code, here and nowhere else."""

from __future__ import annotations

import os
import sys
from typing import IO

import click

from headway.errors import (
    HeadwayError,
    HomeLocked,
    InvalidInput,
    NotFound,
    StoreTooNew,
    StoreUnreadable,
    Unavailable,
    describe,
    one_line,
)

COMPLETED = 0
FAILED = 1
BAD_INPUT = 2
NO_DAEMON = 3
CANCELLED = 130

_CODES: list[tuple[type[HeadwayError], int]] = [
    (InvalidInput, BAD_INPUT),
    (NotFound, BAD_INPUT),
    (HomeLocked, BAD_INPUT),
    (StoreUnreadable, BAD_INPUT),
    (StoreTooNew, BAD_INPUT),
    (Unavailable, NO_DAEMON),
]

JOB_CODES = {"completed": COMPLETED, "failed": FAILED, "cancelled": CANCELLED}
"""The exit code that tells how a job ended."""


MAX_LINES = 100
"""The most findings of one error that are told; more are counted."""


def code_of(error: HeadwayError) -> int:
    """Return the exit code of an error; what is neither bad input nor a missing daemon is a failure."""
    return code_of_kind(type(error))


def code_of_kind(kind: type[HeadwayError]) -> int:
    """Return the exit code of a class of errors."""
    return next((code for known, code in _CODES if issubclass(kind, known)), FAILED)


def lines_of(error: HeadwayError) -> list[str]:
    """Return an error as lines: one for each issue that it carries, else its message."""
    issues = getattr(error, "issues", None) or error.details.get("issues") or []
    if len(issues) > MAX_LINES:
        issues = [*issues[:MAX_LINES], f"{len(issues) - MAX_LINES:,} more findings are left out"]
    return [one_line(issue_line(issue)) for issue in issues] or [describe(error)]


def issue_line(issue: object) -> str:
    """Return one finding as text that names its action."""
    if isinstance(issue, str):
        return issue
    get = issue.get if isinstance(issue, dict) else lambda name, default=None: getattr(issue, name, default)
    action, message = get("action_id"), str(get("message") or issue)
    return f"action {action}: {message}" if action else message


def run(command: click.Command, arguments: list[str]) -> int:
    """Run ``command`` and return the exit code; no traceback leaves here unless HEADWAY_DEBUG asks for it."""
    code: object = COMPLETED
    stdout, stderr = sys.stdout, sys.stderr
    try:
        code = command.main(arguments, prog_name="headway", standalone_mode=False)
        flush()
    except BrokenPipeError:  # the reader has all that it wanted: no failure of ours
        _silence()
    except SystemExit:
        if sys.stdout is stdout:
            raise
        sys.stdout, sys.stderr = stdout, stderr  # click has met the broken pipe first, and put others in their place
        _silence()
    except click.exceptions.Exit as error:
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        _tell("cancelled")
        return CANCELLED
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        _tell(f"error: {_usage_line(error)}")
        return error.exit_code
    except HeadwayError as error:
        if os.environ.get("HEADWAY_DEBUG"):
            raise
        for line in lines_of(error):
            _tell(f"error: {line}")
        return code_of(error)
    except Exception as error:
        if os.environ.get("HEADWAY_DEBUG"):
            raise
        _tell(f"error: {describe(error)} (a bug: HEADWAY_DEBUG=1 shows where)")
        return FAILED
    return code if isinstance(code, int) else COMPLETED


def _usage_line(error: click.ClickException) -> str:
    message = one_line(error.format_message()).removesuffix(".")
    context = error.ctx if isinstance(error, click.UsageError) else None
    return f"{message} (see {context.command_path} --help)" if context else message


def flush() -> None:
    """Write out what is buffered, so that a reader who has gone is noticed here and not at interpreter exit."""
    sys.stdout.flush()
    sys.stderr.flush()


def _silence() -> None:
    """Send what nobody reads any more nowhere, so that it does not fail at the interpreter's exit."""
    for stream in (sys.stdout, sys.stderr):
        _to_null(stream)


def _to_null(stream: IO[str]) -> None:
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())
        os.close(null)
    except (OSError, ValueError):  # no file behind it: nothing that could fail at exit either
        pass


def _tell(text: str) -> None:
    try:
        sys.stderr.write(f"headway: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError):  # stderr is gone too: the exit code still tells
        pass
