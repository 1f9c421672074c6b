"""Builtin rules: what every policy begins with. A rule of the user that names as much has the last word over them."""

from __future__ import annotations

import re

from headway.policy.exec.command import Command
from headway.policy.exec.rule import Action, ExecRule

_READS = (
    "basename", "cat", "cksum", "cmp", "comm", "cut", "df", "diff", "dirname", "du", "egrep", "fgrep", "git blame",
    "git diff", "git log", "git ls-files", "git rev-parse", "git show", "git status", "grep", "head", "id", "jq", "ls",
    "md5sum", "nl", "nproc", "paste", "readlink", "realpath", "rg", "seq", "sha1sum", "sha256sum", "sort", "stat",
    "tac", "tail", "tr", "tty", "uname", "wc", "which", "whoami",
)  # fmt: skip
_ASKS = {
    "doas": "it acts as another user",
    "halt": "it stops the machine",
    "mkfs": "it erases a disk",
    "poweroff": "it stops the machine",
    "reboot": "it stops the machine",
    "shutdown": "it stops the machine",
    "su": "it acts as another user",
    "sudo": "it acts as another user",
}
_DENIES = {"rm -rf /": "it deletes everything", "rm -rf ~": "it deletes the home"}

_WRITES = {
    "sort": re.compile(r"-[a-zA-Z]*[oT].*|--(o|t|files0).*"),
    "git": re.compile(r"--(o|ext|textconv|no-index|open).*|-O.*"),
    "diff": re.compile(r"--o.*"),
}
"""Options by which a program that only reads writes or runs something."""

RULES: tuple[ExecRule, ...] = (
    *(ExecRule(Action.DENY, command=words, name=f"builtin: {words}", reason=why) for words, why in _DENIES.items()),
    *(ExecRule(Action.ASK, command=words, name=f"builtin: {words}", reason=why) for words, why in _ASKS.items()),
    *(ExecRule(Action.ALLOW, command=words, name=f"builtin: {words}", reason="it only reads") for words in _READS),
)


def reads_only(command: Command) -> bool:
    """Return whether a command that a builtin rule allows has no option by which it writes."""
    writes = _WRITES.get(command.program)
    if writes is None:
        return True
    return not any(word.text is None or writes.fullmatch(word.text) for word in command.words[1:])
