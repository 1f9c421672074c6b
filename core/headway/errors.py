"""The error tree: every error that Headway raises on purpose.

::

    HeadwayError
    ├── InvalidInput                 the caller's input is wrong; nothing was done
    │   ├── InvalidPlan              a proposal that cannot be parsed or verified
    │   ├── InvalidConfig            headway.toml, an environment variable or a flag
    │   │   ├── UnsafeFile           a file that others than you and root could have written
    │   │   └── NotTrusted           a project whose code may not be loaded yet
    │   ├── OutsideWorkspace         a path that leaves the workspace
    │   └── ControlFile              a path that governs plans, which no tool of theirs may touch
    ├── NotFound                     no job, checkpoint, tool or file of that name
    ├── Conflict                     the request is sound, the present state refuses it
    │   ├── InvalidTransition        a job status change that the table does not have
    │   └── HomeLocked               another process writes to this home
    ├── StoreError                   the event store
    │   ├── StoreUnreadable          not a database, damaged, or not permitted
    │   ├── StoreTooNew              written by a newer Headway
    │   └── LogFull                  the disk refused a commit
    ├── Unavailable                  no daemon answers, or it is going away
    │   ├── Closing                  it has said that it takes no new work: nothing of the request was done
    │   └── NoAnswer                 … in time, though one is there: it is busy, or hangs
    ├── Overloaded                   more work waits than is taken; what was accepted continues
    └── ToolError                    a tool failed; its message is the action's error
        ├── TerminalToolError        a failure that no retry can mend; always aborts
        ├── NotAnswered              a question to a person got no answer: denied, expired or taken back
        ├── SecretUnavailable        a secret cannot be had: not declared, not for this tool, nothing where it should be
        ├── InferenceError           a model, or the service that runs it, failed
        │   └── InferenceRefused     … for good (also a TerminalToolError): no key, no such model, not installed
        └── ToolTimeout              one attempt ran longer than its ``timeout_ms``

Each class has a stable ``code``, and a ``remedy``: the advice of ``docs/errors.md`` to whoever meets it. Its docstring
is the text of an error raised without one (after procrastinate).
Messages are one line, carry no secrets and name what the caller can change.
"""

from __future__ import annotations

from typing import Any, ClassVar

LONGEST_LINE = 2000
"""The longest message, in characters."""


class HeadwayError(Exception):
    """Something in Headway went wrong."""

    code: ClassVar[str] = "error"
    remedy: ClassVar[str] = "Read the message. If it does not name a cause, HEADWAY_DEBUG=1 shows where it comes from."

    def __init__(self, message: object = None, **details: Any) -> None:
        text = message if message is not None else (type(self).__doc__ or type(self).__name__).strip()
        self.message = as_line(text if isinstance(text, str) else _text_of(text))  # ToolError(error) is often written
        self.details = details
        super().__init__(self.message)

    def __str__(self) -> str:
        return self.message


class InvalidInput(HeadwayError, ValueError):
    """The input is not valid."""

    code = "invalid_input"
    remedy = "Correct the value that the message names; nothing was done."


class InvalidPlan(InvalidInput):
    """The plan is not valid.

    ``issues`` holds the verifier's findings when the plan could be parsed, else it is empty.
    """

    code = "invalid_plan"
    remedy = "Correct the plan at the line, or the action, that the message names; `headway verify PLAN` checks it."

    def __init__(self, message: str = "the plan is not valid", issues: list[Any] | None = None) -> None:
        super().__init__(message)
        self.issues: list[Any] = issues or []


class InvalidConfig(InvalidInput):
    """The configuration is not valid."""

    code = "invalid_config"
    remedy = "Correct `headway.toml`, the variable or the flag that is named; `headway config check` checks all."


class UnsafeFile(InvalidConfig):
    """The file could have been written by somebody else."""

    code = "unsafe_file"
    remedy = "Take the file and the folders above it for yourself: `chown`, and `chmod go-w`, as the message says."


class NotTrusted(InvalidConfig):
    """The project's code is not trusted."""

    code = "not_trusted"
    remedy = "Read the project's Python files, then `headway trust` its folder; `--yes` in scripts and CI."


class OutsideWorkspace(InvalidInput):
    """The path is outside the workspace."""

    code = "outside_workspace"
    remedy = "Name a path inside the workspace, or set `[tools] workspace` to a folder that holds it."


class ControlFile(InvalidInput):
    """The path is a control file: it governs plans, and no tool of theirs may touch it."""

    code = "control_file"
    remedy = "Change what governs plans by hand: no tool of a plan may write there."


class NotFound(HeadwayError, LookupError):
    """There is nothing of that name."""

    code = "not_found"
    remedy = "Look the name up: `headway jobs ls`, `headway checkpoints ls`, `headway recordings ls`."


class Conflict(HeadwayError):
    """The present state does not allow this."""

    code = "conflict"
    remedy = "Wait for what is under way, or end it; the message names it. The request itself is sound."


class InvalidTransition(Conflict):
    """The job cannot go from its status to that one."""

    code = "invalid_transition"
    remedy = "Ask for the job's present status first: `headway jobs show JOB`."


class HomeLocked(Conflict):
    """Another process is writing to this home."""

    code = "home_locked"
    remedy = "Use the process that has the home, or end it: `headway status` names it, `headway stop` ends a daemon."


class StoreError(HeadwayError):
    """The event store failed."""

    code = "store_error"
    remedy = "Look at the disk and at the store: `headway store check`. What was acknowledged is kept."


class StoreUnreadable(StoreError):
    """The store cannot be read."""

    code = "store_unreadable"
    remedy = "See to the file's owner, mode and soundness: `headway store check`; a backup takes its place."


class StoreTooNew(StoreError):
    """The store was written by a newer version of Headway."""

    code = "store_too_new"
    remedy = "Use the version of Headway that wrote the store, or a newer one."


class LogFull(StoreError):
    """The disk refused to take more events; new work is refused until it does."""

    code = "log_full"
    remedy = "Make room on the disk, or prune: `headway store prune`. What waits is written as soon as there is room."


class Unavailable(HeadwayError):
    """No daemon answers at this home."""

    code = "unavailable"
    remedy = "Start a daemon with `headway up` or `headway serve`; one that is ending takes no new work."


class Closing(Unavailable):
    """No new work is taken."""

    code = "closing"
    remedy = "Nothing was done: send it again once the daemon has restarted, or start one with `headway up`."


class NoAnswer(Unavailable):
    """The daemon did not answer in time."""

    code = "no_answer"
    remedy = "Try again; `headway status` tells whether the daemon is busy. One that hangs is ended by its pid."


class Overloaded(HeadwayError):
    """More work waits than is taken: try again later.

    ``retry_after`` are the seconds after which to try again.
    """

    code = "overloaded"
    remedy = (
        "Try again after the seconds that the answer names; `[admission]` in `headway.toml` sets how much is taken."
    )

    def __init__(self, message: object = None, *, retry_after: int = 1) -> None:
        super().__init__(message if message is not None else "more work waits than is taken: try again later")
        self.retry_after = retry_after


class ToolError(HeadwayError):
    """The tool failed."""

    code = "tool_error"
    remedy = "Read the action's error; `failure_behavior` says what a plan does about it."


class TerminalToolError(ToolError):
    """The tool failed in a way that no retry can mend."""

    code = "terminal_tool_error"
    remedy = "Mend the cause: another try fails as well, so a plan's retries are left out."


class NotAnswered(ToolError):
    """The question was not answered."""

    code = "not_answered"
    remedy = "Somebody said no, or nobody was there in time: `headway inbox` lists what waits for an answer."


class SecretUnavailable(ToolError):
    """The secret is not available."""

    code = "secret_unavailable"
    remedy = "Set the source that `[secrets.NAME]` names: the variable, the file or the keyring's entry."


class EgressError(ToolError):
    """The other machine could not be asked."""

    code = "egress_error"
    remedy = "Look at the network and at the host that the message names; a later try may succeed."


class EgressRefused(EgressError, TerminalToolError):
    """That address may not be reached."""

    code = "egress_refused"
    remedy = "If it shall be reached, name it in `[egress] allow` (and `only`, where that is set) of `headway.toml`."


class InferenceError(ToolError):
    """The model failed."""

    code = "inference_error"
    remedy = "Look at the model's service and at `[inference]`; a later try may succeed."


class InferenceRefused(InferenceError, TerminalToolError):
    """The model cannot do this, and trying again does not help."""

    code = "inference_refused"
    remedy = "Set the key, the model's name or the package that the message names."


class ToolTimeout(ToolError):
    """The tool ran longer than its time limit."""

    code = "timeout"
    remedy = "Give the action a longer `timeout_ms`, or the tool less to do."


def describe(error: BaseException) -> str:
    """Return ``error`` as one line of text: the message of ours, ``Type: message`` of anybody else's."""
    if isinstance(error, HeadwayError):
        return one_line(error.message)
    text = one_line(_text_of(error))
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


def _text_of(value: object) -> str:
    """Return ``str(value)``, or nothing where that raises: an error of an error must not hide the first."""
    try:
        return str(value)
    except Exception:  # noqa: BLE001 - foreign code
        return ""


def as_line(text: str) -> str:
    """Return ``text`` itself if it is one short printable line, as nearly always; else what :func:`one_line` makes."""
    return text if len(text) <= LONGEST_LINE and text.isprintable() else one_line(text)


def one_line(text: str, limit: int = LONGEST_LINE) -> str:
    """Return ``text`` on one line, at most ``limit`` characters, without control characters or lone surrogates."""
    cut = text[: limit + 1]
    line = " ".join("".join(c if c.isprintable() or c.isspace() else "\N{REPLACEMENT CHARACTER}" for c in cut).split())
    return line if len(line) <= limit else line[: limit - 1] + "…"
