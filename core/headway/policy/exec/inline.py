"""Programs that an option, a script or their input may tell to run something: ``python -c``, ``git -c``, ``tar -I``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from headway.policy.exec import sed, starters
from headway.policy.exec.syntax import Simple
from headway.policy.exec.words import Word

if TYPE_CHECKING:
    from headway.policy.exec.command import Command
    from headway.policy.exec.reading import Reader


_DECLARE = frozenset(("declare", "local", "typeset"))


def plain(reader: Reader, command: Command, name: str, folded: str, words: list[Word]) -> None:
    """Take a command that starts no other, unless an option says so."""
    if name in starters.LOCAL_BUILTINS and "/" not in (words[0].text or "/"):
        command.neutral = not command.void
        reader.found.moves = reader.found.moves or name in ("cd", "pushd", "popd")
    if name in starters.CODE_BUILTINS and any(re.search(r"\$\(|`", word.likely or "") for word in words[1:]):
        reader.note(f"{name} evaluates a command in its words")
    if name in ("[", "[[", "printf", "test", "unset") and _unknown_variable(name, words[1:]):
        reader.note(f"the variable that {name} is given is not known before it runs")
    if name in starters.SETTING_BUILTINS:
        sets(reader, name, words[1:])
    running = starters.RUNNING_OPTIONS.get(folded)
    if running is not None and any(_matches(running, word) for word in words[1:]):
        reader.note(f"an option tells {folded} to run something")
    if folded == "tar" and len(words) > 1 and re.fullmatch(r"[a-zA-Z]*[IF][a-zA-Z]*", words[1].likely or "F"):
        reader.note("an option tells tar to run something")
    texts = [word.likely if word.likely is not None else "system" for word in words[1:]]
    if folded in ("sed", "gsed"):
        if not sed.runs_nothing([word.text for word in words[1:]]):
            reader.note("the script of sed may run a command")
    elif starters.AWK.fullmatch(folded):
        if not texts or any(starters.AWK_RUNS.search(text) for text in texts):
            reader.note("the program of awk may run a command")
    else:
        interpreter(reader, folded, words)


def sets(reader: Reader, name: str, words: list[Word]) -> None:
    """Note the variables that a command of the shell sets by its words."""
    if name == "printf" and (words[:1] and not (words[0].likely or "-v").startswith("-v")):
        return
    for word in words:
        text = word.likely
        if name in _DECLARE and re.fullmatch(r"-[a-zA-Z]*i[a-zA-Z]*", text or ""):
            reader.note(f"{name} -i evaluates what a variable is set to")
        if name in _DECLARE and re.fullmatch(r"-[a-zA-Z]*n[a-zA-Z]*", text or "-n"):
            reader.note("a variable that stands for another one")
        if text is None:
            if name != "printf" and name != "set":
                reader.note(f"what {name} sets is not known before it runs")
        elif name == "set":
            if text[:1] in "-+" and ("a" in text or text == "allexport"):
                reader.note("set hands all variables to the programs that follow")
        else:
            variable = re.split(r"[=+\[]", text.removeprefix("-v"))[0]
            reader.variable(variable, word)
            if "=" in text and name in ("export", "declare", "typeset") and not starters.HARMLESS.fullmatch(variable):
                reader.note(f"it sets {variable[:40]}, which may change what runs")


def interpreter(reader: Reader, folded: str, words: list[Word]) -> None:
    """Note code on the command line of an interpreter, or on its stdin."""
    for names, inline, valued in starters.INLINE:
        if not names.fullmatch(folded):
            continue
        position = 1
        while position < len(words):
            text = words[position].text
            if text is None:
                reader.note(f"the words of {folded} are not known before it runs")
                return
            if text == "-" or not text.startswith("-"):
                break
            if text.startswith("--"):
                option, has_value, _ = text[2:].partition("=")
                letters, attached = [option], bool(has_value)
            else:
                letters, attached = [text[1:], *text[1:]], len(text) > 2
            if folded.startswith(("python", "pypy", "ipython")) and "m" in letters:
                return
            if inline & set(letters):
                reader.note(f"code on the command line of {folded}")
                return
            if text.lstrip("-") in ("version", "V", "h", "help"):
                return
            position += 2 if set(letters) & valued and not attached else 1
        if position >= len(words) or words[position].text == "-":
            reader.note(f"{folded} reads code from its input")
        elif words[position].text in inline:
            reader.note(f"code on the command line of {folded}")
        elif "/dev/" in (words[position].text or ""):
            reader.note(f"{folded} reads code from its input")
        return


def elsewhere(reader: Reader, command: Command, folded: str, words: list[Word], depth: int) -> None:
    """Take programs that run commands in a way of their own: unclear, and their words are read as commands."""
    if folded in ("docker", "podman", "nerdctl", "kubectl", "oc") and not (
        {word.likely for word in words[1:]} & {None, "exec", "run", "debug"}
    ):
        return
    if len(words) > 1 or folded not in ("m4", "su"):
        reader.note(f"what {folded} runs is not known")
    for position, word in enumerate(words[1:], 1):
        text = word.likely
        if text is None:
            continue
        if " " in text or "\n" in text:
            reader.text(text.lstrip("+:!"), depth + 1)
        elif not text.startswith("-") and position + 1 <= len(words) and position <= 8:
            reader.command(words[position:], Simple(), depth + 6, command, position)
    if folded in ("at", "batch", "crontab", "ed", "ex", "su", "sg"):
        for text in list(reader.literals):
            reader.text(text, depth + 1)


def git(reader: Reader, command: Command, words: list[Word], depth: int) -> None:
    """Note settings and subcommands of git by which it runs other programs."""
    position = 1
    while position < len(words):
        text = words[position].likely
        if text is None:
            reader.note("the words of git are not known before it runs")
            return
        if not text.startswith("-"):
            break
        option, has_value, value = text.partition("=")
        if option in starters.GIT_VALUED and not (has_value and option != "-c"):
            position += 1
            value = (words[position].likely or "") if position < len(words) else ""
        elif text.startswith("-c") and len(text) > 2:
            option, value = "-c", text[2:]
        if option == "-c" and not starters.GIT_CONFIG.fullmatch(value.partition("=")[0]):
            reader.note("a setting of git that may run something")
            reader.text(value.partition("=")[2].lstrip("!") or "true", depth + 1)
        if option in ("--exec-path", "--config-env") and value:
            reader.note("a setting of git that may run something")
        if option in ("-C", "--git-dir", "--work-tree"):
            reader.found.moves = True
        position += 1
    if position < len(words):
        subcommand(reader, words[position].likely or "", words[position + 1 :], command, position, depth)


def subcommand(reader: Reader, name: str, words: list[Word], command: Command, position: int, depth: int) -> None:
    """Take a subcommand of git that may run other programs."""
    texts = [word.likely or "" for word in words]
    if name == "submodule" and "foreach" in texts:
        reader.note("git submodule foreach runs a command")
        reader.text(" ".join(texts[texts.index("foreach") + 1 :]) or "true", depth + 1)
    elif name == "bisect" and texts[:1] == ["run"] and len(words) > 1:
        reader.command(words[1:], Simple(), depth + 1, command, position + 2)
    runs = starters.GIT_RUNS.get(name)
    if runs is None or not any(runs.fullmatch(text) for text in texts):
        return
    reader.note(f"git {name} is told to run something")
    for text in texts:
        value = re.sub(r"^-[^=\s]*(=|$)|^ext::", "", text).lstrip("!")
        if value:
            reader.text(value, depth + 1)


def _unknown_variable(name: str, words: list[Word]) -> bool:
    """Return whether a variable is named by a word that is not known; bash evaluates its subscript."""
    options = words[:1] if name == "printf" else words
    named = name == "unset" or any((word.likely or "")[:2] in ("-v", "-R") for word in options)
    return named and any(word.text is None for word in words)


def _matches(pattern: re.Pattern[str], word: Word) -> bool:
    text = word.likely
    return text is not None and pattern.fullmatch(text) is not None
