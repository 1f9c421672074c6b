"""The tables of a policy file: the keys there are, what they hold, and the rule that follows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

from headway.arguments import plain
from headway.config.lines import Lines, line_of
from headway.config.problems import unknown
from headway.errors import InvalidInput, one_line
from headway.numbers import positive_seconds, whole_number
from headway.plan.checks import MISSING
from headway.policy.condition import Condition
from headway.policy.rules import (
    AllowParameter,
    Approve,
    AskTool,
    AskWhen,
    DenyKeyword,
    DenyMatching,
    DenyParameter,
    DenyTool,
    Exec,
    Rule,
    When,
    Window,
)
from headway.policy.values import MAX_KEY, MAX_PATTERN

MAX_CALLS = 1_000_000
_MAX_MESSAGE = 1000
EXEC_FIELDS = ("action", "tool", "command", "command_exact", "path", "workspace", "name", "reason")

Table = Mapping[str, Any]
T = TypeVar("T")


def read_rules(path: Path, tables: Table, lines: Lines) -> tuple[list[Rule], list[str]]:
    """Return the rules of one file and what is wrong with it, as ``file:line: what``."""
    reader = _Reader(path, lines)
    for key, value in tables.items():
        if key in _LISTS:
            reader.one(_LISTS[key], value, (key,))
        elif key in _TABLES:
            reader.tables(key, value)
        else:
            reader.note(unknown(key, "", [*_LISTS, *_TABLES]), (key,))
    return reader.rules, reader.issues


class _Reader:
    """Makes rules of tables, noting what is wrong."""

    def __init__(self, path: Path, lines: Lines) -> None:
        self._path = path
        self._lines = lines
        self.rules: list[Rule] = []
        self.issues: list[str] = []

    def note(self, text: str, where: tuple[str | int, ...]) -> None:
        line = line_of(self._lines, where)
        place = f"{self._path}:{line}" if line is not None else str(self._path)
        names = ".".join(str(part) for part in where if not isinstance(part, int))
        self.issues.append(one_line(f"{place}: {names} {text}", 600))

    def tables(self, kind: str, value: Any) -> None:
        if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
            self.note(f"must be tables: [[{kind}]]", (kind,))
            return
        make, known = _TABLES[kind]
        for index, table in enumerate(value):
            strange = [key for key in table if key not in known]
            for key in strange:
                self.note(unknown(key, "", sorted(known)), (kind, index, key))
            if not strange:
                self.one(make, table, (kind, index))

    def one(self, make: Callable[[str, Any], Rule], value: Any, where: tuple[str | int, ...]) -> None:
        line = line_of(self._lines, where)
        try:
            self.rules.append(make(f"{self._path.name}:{line}" if line else self._path.name, value))
        except _Wrong as wrong:
            self.note(wrong.text, (*where, wrong.key))
        except InvalidInput as error:
            self.note(f"is wrong: {error.message}", where)


class _Wrong(Exception):
    """A key of a table that is missing or holds what it must not."""

    def __init__(self, key: str, text: str) -> None:
        super().__init__(text)
        self.key = key
        self.text = text


def _texts(value: Any, longest: int) -> list[str]:
    if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
        raise InvalidInput('it must be a list of texts: ["…"]')
    return [plain(item, "each of its texts", longest) for item in value]


def _deny_tool(name: str, value: Any) -> Rule:
    return DenyTool(name, frozenset(_texts(value, MAX_KEY)))


def _deny_keyword(name: str, value: Any) -> Rule:
    return DenyKeyword(name, tuple(dict.fromkeys(_texts(value, MAX_PATTERN))))


def _ask_tool(name: str, value: Any) -> Rule:
    return AskTool(name, frozenset(_texts(value, MAX_KEY)))


def _text(table: Table, key: str, longest: int = MAX_KEY) -> str:
    value = _given(table, key)
    if not isinstance(value, str):
        raise _Wrong(key, "must be a text in quotes")
    return _checked(key, lambda: plain(value, "it", longest))


def _given(table: Table, key: str) -> Any:
    if key not in table:
        raise _Wrong(key, "is required and missing")
    return table[key]


def _checked(key: str, make: Callable[[], T]) -> T:
    try:
        return make()
    except InvalidInput as error:
        raise _Wrong(key, f"is wrong: {error.message}") from None


def _name(table: Table, fallback: str) -> str:
    if "name" not in table:
        return fallback
    name = _text(table, "name", 256)
    if not name.isprintable():
        raise _Wrong("name", "must be printable: it stands in reasons")
    return name


def _json(key: str, value: Any) -> Any:
    # TOML has dates and times, JSON does not: no parameter could ever equal one.
    if isinstance(value, list):
        return [_json(key, item) for item in value]
    if isinstance(value, dict):
        return {name: _json(key, item) for name, item in value.items()}
    if not isinstance(value, str | bool | int | float):
        raise _Wrong(key, "has a date or a time in it, which no parameter can equal: write it as a text")
    return value


def _deny_tool_param(fallback: str, table: Table) -> Rule:
    name, tool, param = _name(table, fallback), _text(table, "tool"), _text(table, "param")
    if "contains" not in table and "equals" not in table:
        raise _Wrong("contains", "or equals is required: without either the rule says nothing")
    contains = _text(table, "contains", MAX_PATTERN) if "contains" in table else None
    equals = _json("equals", table["equals"]) if "equals" in table else MISSING
    return DenyParameter(name, tool, param, contains, equals)


def _allow_tool_param(fallback: str, table: Table) -> Rule:
    name, tool, param = _name(table, fallback), _text(table, "tool"), _text(table, "param")
    allow = _given(table, "allow")
    if not isinstance(allow, list):
        raise _Wrong("allow", "must be a list of values")
    return AllowParameter(name, tool, param, tuple(_json("allow", allow)))


def _deny_tool_param_matching(fallback: str, table: Table) -> Rule:
    name, tool, param = _name(table, fallback), _text(table, "tool"), _text(table, "param")
    pattern = _text(table, "matches", MAX_PATTERN)
    return _checked("matches", lambda: DenyMatching(name, tool, param, pattern))


def _rate_limit_tool(fallback: str, table: Table) -> Rule:
    name, tool = _name(table, fallback), _text(table, "tool")
    max_calls = _checked("max_calls", lambda: whole_number(_given(table, "max_calls"), "it", 1))
    if max_calls > MAX_CALLS:
        raise _Wrong("max_calls", f"must be at most {MAX_CALLS}")
    interval = _checked("interval_secs", lambda: positive_seconds(_given(table, "interval_secs"), "it"))
    return Window(name, tool, max_calls, interval)


def _rule(fallback: str, table: Table) -> Rule:
    _given(table, "name")
    name = _name(table, fallback)
    source = _text(table, "when", 10_000)
    if "permission" in table:
        return _asking_rule(name, source, table)
    if table.get("deny", True) is not True:
        raise _Wrong("deny", "can only be true: a rule denies or says nothing")
    if "deny" not in table and "message" not in table:
        raise _Wrong("deny", "or message is required: deny = true, or message = the reason to give")
    message = one_line(_text(table, "message", _MAX_MESSAGE)) if "message" in table else ""
    return When(name, _checked("when", lambda: Condition(source)), message or "denied by policy")


def _asking_rule(name: str, source: str, table: Table) -> Rule:
    permission = _text(table, "permission")
    if permission not in ("ask", "deny"):
        raise _Wrong("permission", 'is "ask" or "deny"')
    if "deny" in table:
        raise _Wrong("deny", "and permission say the same: give one of them")
    message = one_line(_text(table, "message", _MAX_MESSAGE)) if "message" in table else ""
    condition = _checked("when", lambda: Condition(source))
    if permission == "deny":
        return When(name, condition, message or "denied by policy")
    return AskWhen(name, condition, message or "asks for an approval")


def _approve(fallback: str, table: Table) -> Rule:
    name, tool = _name(table, fallback), _text(table, "tool")
    if "parameters" not in table:
        return Approve(name, tool)
    parameters = table["parameters"]
    if not isinstance(parameters, dict):
        raise _Wrong("parameters", "must be a table: { name = value }")
    return Approve(name, tool, _json("parameters", parameters))


def _exec(fallback: str, table: Table) -> Rule:
    from headway.policy.exec.rule import rule_of  # by who has such a rule

    name = _name(table, fallback)
    return Exec(name, rule_of({**table, "name": name}))


_LISTS: dict[str, Callable[[str, Any], Rule]] = {
    "deny_tool": _deny_tool,
    "deny_keyword": _deny_keyword,
    "ask_tool": _ask_tool,
}
_TABLES: dict[str, tuple[Callable[[str, Any], Rule], frozenset[str]]] = {
    "deny_tool_param": (_deny_tool_param, frozenset({"name", "tool", "param", "equals", "contains"})),
    "allow_tool_param": (_allow_tool_param, frozenset({"name", "tool", "param", "allow"})),
    "deny_tool_param_matching": (_deny_tool_param_matching, frozenset({"name", "tool", "param", "matches"})),
    "rate_limit_tool": (_rate_limit_tool, frozenset({"name", "tool", "max_calls", "interval_secs"})),
    "approve": (_approve, frozenset({"name", "tool", "parameters"})),
    "exec": (_exec, frozenset(EXEC_FIELDS)),
    "rule": (_rule, frozenset({"name", "when", "deny", "permission", "message"})),
}
