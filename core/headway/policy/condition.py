"""Conditions in CEL, the Common Expression Language: ``tool == "fetch" && !params.url.startsWith("https://")``.

An expression is compiled when it is read and cannot loop for ever, but what it costs grows with the data, and the data
is the agent's. So how much of it an expression gets is bounded by what it does with it; and it is handed only what it
names, because copying a whole state into CEL takes longer than everything else here.

The library's own error texts quote values, so none of them is passed on from an evaluation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from headway.arguments import plain
from headway.errors import InvalidInput, one_line
from headway.policy.call import PolicyCall
from headway.policy.values import MAX_ITEMS, Unreadable, weigh

if TYPE_CHECKING:
    from headway.policy.matching import Matcher
    from headway.policy.regex import Expression

VARIABLES = ("action_id", "effects", "params", "principal", "reads", "state", "tool", "type", "writes")
"""The names that a condition may use. ``tool`` and ``principal`` may be null."""

_MAPS = ("effects", "params", "state")
_LISTS = ("reads", "writes")

MAX_LENGTH = 1000  # characters: the parser goes as deep as a chain of operators is long, and a thread's stack ends

_TEXT_FUNCTIONS = frozenset({"contains", "endsWith", "matches", "size", "startsWith"})
_CONVERSIONS = frozenset({"bytes", "double", "duration", "dyn", "int", "string", "timestamp", "type", "uint"})
_TIME_FUNCTIONS = frozenset(
    f"get{part}"
    for part in (
        *("Date", "DayOfMonth", "DayOfWeek", "DayOfYear", "FullYear"),
        *("Hours", "Milliseconds", "Minutes", "Month", "Seconds"),
    )
)
_FUNCTIONS = _TEXT_FUNCTIONS | _CONVERSIONS | _TIME_FUNCTIONS
_TYPES = frozenset({"double", "int", "list", "map", "null_type", "string", "type", "uint"})
# What a macro adds to the exponent of the cost. Those that build a list copy it at each step.
_MACROS = {"all": 1, "exists": 1, "existsOne": 1, "exists_one": 1, "filter": 2, "map": 2}
_MAX_STEPS = 25_000_000  # at worst about a second

_TOKEN = re.compile(
    r"(?P<gap>\s+|//[^\n]*)"
    r"|(?P<text>[bB]?[rR](?:\"\"\".*?\"\"\"|'''.*?'''|\"[^\"\n]*\"|'[^'\n]*')"
    r"|[bB]?(?:\"\"\"(?:\\.|[^\\])*?\"\"\"|'''(?:\\.|[^\\])*?'''|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])*'))"
    r"|(?P<name>[A-Za-z_]\w*)"
    r"|(?P<number>\d[\w.]*)"
    r"|(?P<mark>&&|\|\||[<>=!]=|.)",
    re.DOTALL,
)
_PLAIN_TEXT = re.compile(r"\"([^\"\\\n]*)\"|'([^'\\\n]*)'")
_PARSE_ERROR = re.compile(r"ERROR: <input>:(\d+):(\d+): (?:Syntax error: )?([^\n]+)")


class Token(NamedTuple):
    """A piece of an expression: a name, a text, a number or a mark."""

    kind: str
    text: str


_END = Token("mark", "")


class Condition:
    """A compiled expression. Raises ``InvalidInput`` for one that cannot be compiled or names what is not there."""

    __slots__ = ("_keys", "_limit", "_patterns", "_program", "_tool", "_variables", "source")

    def __init__(self, source: str) -> None:
        self.source = plain(source, "a condition", MAX_LENGTH)
        self._program = _compile(source)
        tokens = [*_tokens(source)]
        used = self._program.references()
        bound = set(_bound_names(tokens))
        _refuse_unknown("name", set(used["variables"]) - bound - _TYPES - set(VARIABLES), VARIABLES)
        functions = {name for name in used["functions"] if name.isalnum()}
        _refuse_unknown("function", functions - _FUNCTIONS, sorted(_FUNCTIONS | set(_MACROS) | {"has"}))
        self._patterns: list[Expression] = []
        if "matches" in functions:
            from headway.policy.matching import take_patterns

            ours, self._patterns = take_patterns(source, [*_pieces(source)], _value_of)
            self._program = _compile(ours)
            if "matches" in self._program.references()["functions"]:  # CEL reads the text otherwise than we do
                raise InvalidInput('the condition must give matches one pattern: text.matches("…")')
        self._variables = [name for name in used["variables"] if name in VARIABLES]
        self._tool = _only_tool(tokens)
        self._keys = {name: _keys_read(tokens, name) for name in _MAPS}
        exponent = 1 + sum(_MACROS[token.text] for token in _macros(tokens))
        self._limit = min(MAX_ITEMS, int(_MAX_STEPS ** (1 / exponent)))

    def holds(self, call: PolicyCall) -> bool:
        """Return whether the condition is true of ``call``; raise :class:`Unreadable` where that cannot be told."""
        if self._tool is not None and self._tool != call.tool:
            return False
        values: dict[str, Any] = {}
        for name in self._variables:
            if name in _MAPS:
                whole = call.parameters if name == "params" else getattr(call, name)
                values[name] = _part(whole, self._keys[name])
            elif name in _LISTS:
                values[name] = list(getattr(call, name))
            elif name == "type":
                values[name] = str(call.type)
            else:
                values[name] = getattr(call, name)
        weigh(values.values(), self._limit)
        matcher = _matcher(self._patterns) if self._patterns else None
        try:
            found = self._program.execute(values if matcher is None else _context(values, matcher))
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:  # noqa: BLE001 - a panic inside the library is a BaseException; it denies too
            raise Unreadable(f"its condition cannot be evaluated: {_reason(error)}") from None
        finally:
            if matcher is not None:
                matcher.settle()
        if not isinstance(found, bool):
            raise Unreadable("its condition cannot be evaluated: it gives neither true nor false")
        return found

    def __repr__(self) -> str:
        return f"Condition({self.source!r})"


def _compile(source: str) -> Any:
    # On first use: the package brings a command line with it, which takes 0.1 s to import.
    import cel

    try:
        return cel.compile(source)
    except ValueError as error:
        found = _PARSE_ERROR.search(str(error))
        if found is None:
            raise InvalidInput("the condition is not a CEL expression") from None
        where = f"line {found[1]}, column {found[2]}" if "\n" in source else f"column {found[2]}"
        text = found[3].split(" expecting {")[0]
        raise InvalidInput(f"the condition is not a CEL expression: {one_line(text, 200)} ({where})") from None


def _value_of(literal: str) -> object:
    try:
        return _compile(literal).execute({})
    except (RuntimeError, TypeError, ValueError):
        return None


def _matcher(patterns: list[Expression]) -> Matcher:
    from headway.policy.matching import Matcher

    return Matcher(patterns)


def _context(values: dict[str, Any], matcher: Matcher) -> Any:
    import cel

    from headway.policy.matching import FUNCTION

    return cel.Context(values, {FUNCTION: matcher})


def _reason(error: BaseException) -> str:
    if isinstance(error, KeyError):
        return "a key that it names is not there (ask has() first)"
    if isinstance(error, TypeError):
        return "a value is not of the type that it expects"
    if isinstance(error, ArithmeticError):
        return "its arithmetic has no result"
    return "the values do not fit it"


def _refuse_unknown(what: str, unknown: set[str], known: tuple[str, ...] | list[str]) -> None:
    if unknown:
        raise InvalidInput(f"the condition has an unknown {what} '{min(unknown)}'; there are {', '.join(known)}")


def _pieces(source: str) -> Iterator[re.Match[str]]:
    return (found for found in _TOKEN.finditer(source) if found.lastgroup != "gap")


def _tokens(source: str) -> Iterator[Token]:
    for found in _pieces(source):
        yield Token(str(found.lastgroup), found.group())


def _at(tokens: list[Token], index: int) -> Token:
    return tokens[index] if 0 <= index < len(tokens) else _END


def _macros(tokens: list[Token]) -> Iterator[Token]:
    """Yield the macros that go through a list or map."""
    for index, token in enumerate(tokens):
        if token.text in _MACROS and _at(tokens, index - 1).text == "." and _at(tokens, index + 1).text == "(":
            yield token


def _bound_names(tokens: list[Token]) -> Iterator[str]:
    """Yield the names that macros bind: the ``x`` of ``params.list.exists(x, x > 1)``."""
    for index, token in enumerate(tokens):
        if token.text in _MACROS and _at(tokens, index - 1).text == "." and _at(tokens, index + 1).text == "(":
            name = _at(tokens, index + 2)
            if name.kind == "name" and _at(tokens, index + 3).text == ",":
                yield name.text


def _only_tool(tokens: list[Token]) -> str | None:
    """Return the ``x`` of a condition ``tool == "x" && …``, which cannot hold of another tool; None of any other.

    Most conditions are of that form, and most calls are of other tools: those need not go through CEL.
    """
    name, equals, text, after = (_at(tokens, index) for index in range(4))
    if name != ("name", "tool") or equals.text != "==" or text.kind != "text" or after.text not in ("", "&&"):
        return None
    depth = 0
    for token in tokens:
        depth += (token.text in "([{") - (token.text in ")]}")
        if depth == 0 and token.text in ("||", "?"):
            return None
    return _literal(text)


def _keys_read(tokens: list[Token], map_name: str) -> frozenset[str] | None:
    """Return which keys of the map the expression reads, None where the text does not tell (it then gets all).

    Told are ``state.key``, ``state["key"]`` and ``"key" in state``.
    """
    keys = set()
    for index, token in enumerate(tokens):
        if token != ("name", map_name) or _at(tokens, index - 1).text == ".":
            continue
        key = _key_behind(tokens, index) or _key_before(tokens, index)
        if key is None:
            return None
        keys.add(key)
    return frozenset(keys)


def _key_behind(tokens: list[Token], index: int) -> str | None:
    step, key, after = (_at(tokens, index + offset) for offset in (1, 2, 3))
    if step.text == "." and key.kind == "name" and after.text != "(":
        return key.text
    if step.text == "[" and key.kind == "text" and after.text == "]":
        return _literal(key)
    return None


def _key_before(tokens: list[Token], index: int) -> str | None:
    before, key, word, after = (_at(tokens, index + offset) for offset in (-3, -2, -1, 1))
    # Only where the text is the whole operand: in `"a" + "b" in state` the key is "ab".
    whole = before.text in ("", "(", "&&", "||", "?", ":") and after.text in ("", ")", "&&", "||", "?", ":")
    return _literal(key) if whole and word == ("name", "in") and key.kind == "text" else None


def _literal(token: Token) -> str | None:
    """Return the value of a text without escapes; None for any other."""
    found = _PLAIN_TEXT.fullmatch(token.text)
    return (found[1] or found[2] or None) if found else None


def _part(values: Mapping[str, Any], keys: frozenset[str] | None) -> dict[str, Any]:
    return dict(values) if keys is None else {key: values[key] for key in keys if key in values}
