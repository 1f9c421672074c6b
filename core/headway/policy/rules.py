"""The kinds of rule. Each looks at one call and gives its reasons to deny it; none is a yes.

Reasons name tools, keys and patterns, which the operator wrote, and never a value of a parameter or of state.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from headway.errors import one_line
from headway.plan.checks import MISSING, equal
from headway.policy.call import PolicyCall, apart
from headway.policy.condition import Condition
from headway.policy.values import Unreadable, shown, texts

if TYPE_CHECKING:
    from headway.policy.exec.rule import ExecRule

Answer = bool | str | Sequence[str] | None
"""The answers of a policy that is written as a function."""


class Rule(Protocol):
    """One policy. ``name`` stands in its reasons."""

    name: str

    def check(self, call: PolicyCall) -> Sequence[str]:
        """Return why ``call`` is denied; nothing if this rule lets it pass."""
        ...


class DenyTool:
    """Denies every call of some tools."""

    __slots__ = ("name", "tools")

    def __init__(self, name: str, tools: frozenset[str]) -> None:
        self.name = name
        self.tools = tools

    def check(self, call: PolicyCall) -> Sequence[str]:
        return (f"tool '{shown(call.tool)}' denied by policy",) if call.tool in self.tools and call.tool else ()


class DenyKeyword:
    """Denies calls that have a keyword anywhere in their parameters or declared effects, whatever they do."""

    __slots__ = ("keywords", "name")

    def __init__(self, name: str, keywords: tuple[str, ...]) -> None:
        self.name = name
        self.keywords = keywords

    def check(self, call: PolicyCall) -> Sequence[str]:
        found = self._found("parameters", call.parameters)
        if call.effects and call.type != "state_write":  # what that one sets is among its parameters
            found += self._found("effects", call.effects)
        return found

    def _found(self, where: str, values: Mapping[str, Any]) -> list[str]:
        hit = {word for text in texts(values, where) for word in self.keywords if word in text}
        return [f"the {where} contain denied keyword '{shown(word)}'" for word in self.keywords if word in hit]


class _OfParameter:
    """A rule about one parameter of one tool."""

    __slots__ = ("key", "name", "tool")

    def __init__(self, name: str, tool: str, key: str) -> None:
        self.name = name
        self.tool = tool
        self.key = key

    def value(self, call: PolicyCall) -> Any:
        """Return the parameter's value, or ``MISSING``."""
        return call.parameters.get(self.key, MISSING)


class DenyParameter(_OfParameter):
    """Denies values of a parameter that contain a text, at any depth, or that equal a value."""

    __slots__ = ("contains", "equals")

    def __init__(self, name: str, tool: str, key: str, contains: str | None = None, equals: Any = MISSING) -> None:
        super().__init__(name, tool, key)
        self.contains = contains
        self.equals = equals

    def check(self, call: PolicyCall) -> Sequence[str]:
        if call.tool != self.tool or (value := self.value(call)) is MISSING:
            return ()
        if self.contains is not None:
            whole = (value,) if type(value) is str else texts(value)
            if any(self.contains in text for text in whole):
                return (f"param '{shown(self.key)}' matches denied pattern '{shown(self.contains)}'",)
        if self.equals is not MISSING and equal(value, self.equals):
            return (f"param '{shown(self.key)}' has a denied value",)
        return ()


class AllowParameter(_OfParameter):
    """Denies every value of a parameter but those listed, and calls without it."""

    __slots__ = ("allow",)

    def __init__(self, name: str, tool: str, key: str, allow: tuple[Any, ...]) -> None:
        super().__init__(name, tool, key)
        self.allow = allow

    def check(self, call: PolicyCall) -> Sequence[str]:
        if call.tool != self.tool:
            return ()
        value = self.value(call)
        if value is MISSING:
            return (f"param '{shown(self.key)}' is missing, and only listed values are allowed",)
        if any(equal(value, allowed) for allowed in self.allow):
            return ()
        return (f"param '{shown(self.key)}' is not one of the allowed values",)


class DenyMatching(_OfParameter):
    """Denies values of a parameter in which a regular expression of RE2 matches somewhere."""

    __slots__ = ("_expression", "_steps", "pattern")

    def __init__(self, name: str, tool: str, key: str, pattern: str) -> None:
        from headway.policy.regex import MAX_STEPS, Expression  # by who has such a rule

        super().__init__(name, tool, key)
        self.pattern = pattern
        self._expression, self._steps = Expression(pattern), MAX_STEPS

    def check(self, call: PolicyCall) -> Sequence[str]:
        if call.tool != self.tool or (value := self.value(call)) is MISSING:
            return ()
        steps = self._steps
        for text in (value,) if type(value) is str else texts(value):
            found, steps = self._expression.found_in(text, steps)
            if found:
                return (f"param '{shown(self.key)}' matches denied expression '{shown(self.pattern)}'",)
        return ()


class RequireState:
    """Denies every action while a state key does not have a value."""

    __slots__ = ("key", "name", "value")

    def __init__(self, name: str, key: str, value: Any) -> None:
        self.name = name
        self.key = key
        self.value = value

    def check(self, call: PolicyCall) -> Sequence[str]:
        if equal(call.state.get(self.key, MISSING), self.value):
            return ()
        return (f"state['{shown(self.key)}'] does not have the required value",)


class Window:
    """At most ``max_calls`` calls of a tool in any ``interval`` seconds; more are denied, not delayed.

    ``check`` looks, ``take`` counts: a call that another rule denies is not counted.
    """

    __slots__ = ("interval", "max_calls", "name", "taken", "tool")

    def __init__(self, name: str, tool: str, max_calls: int, interval: float) -> None:
        self.name = name
        self.tool = tool
        self.max_calls = max_calls
        self.interval = interval
        self.taken: deque[float] = deque()

    def check(self, call: PolicyCall) -> Sequence[str]:
        if call.tool != self.tool:
            return ()
        while self.taken and call.now - self.taken[0] >= self.interval:
            self.taken.popleft()
        if len(self.taken) < self.max_calls:
            return ()
        return (f"tool '{shown(self.tool)}' is limited to {self.max_calls} calls in {self.interval:g} seconds",)

    def take(self, call: PolicyCall) -> None:
        """Count ``call`` if it is one of the tool's."""
        if call.tool == self.tool:
            self.taken.append(call.now)


class When:
    """Denies the calls for which a condition holds, and those for which nobody can tell."""

    __slots__ = ("condition", "message", "name")

    def __init__(self, name: str, condition: Condition, message: str) -> None:
        self.name = name
        self.condition = condition
        self.message = message

    def check(self, call: PolicyCall) -> Sequence[str]:
        return (self.message,) if self.condition.holds(call) else ()


class _Asking:
    """A rule that denies nothing: it says which calls a person must approve first."""

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def check(self, call: PolicyCall) -> Sequence[str]:
        return ()


class AskRule(_Asking):
    """A rule that puts calls to a person."""

    __slots__ = ()

    def question(self, call: PolicyCall) -> str | None:
        """Return why a person must approve ``call``, None if this rule does not ask."""
        raise NotImplementedError


class AskTool(AskRule):
    """Asks about every call of some tools."""

    __slots__ = ("tools",)

    def __init__(self, name: str, tools: frozenset[str]) -> None:
        super().__init__(name)
        self.tools = tools

    def question(self, call: PolicyCall) -> str | None:
        return f"policy '{self.name}' asks about tool '{shown(call.tool)}'" if call.tool in self.tools else None


class AskWhen(AskRule):
    """Asks about the calls for which a condition holds, and about those for which nobody can tell."""

    __slots__ = ("condition", "message")

    def __init__(self, name: str, condition: Condition, message: str) -> None:
        super().__init__(name)
        self.condition = condition
        self.message = message

    def question(self, call: PolicyCall) -> str | None:
        return f"policy '{self.name}': {self.message}" if self.condition.holds(call) else None


class Approve(_Asking):
    """Approves calls of a tool beforehand: with exactly these parameters, or with any. It lifts no denial."""

    __slots__ = ("parameters", "tool")

    def __init__(self, name: str, tool: str, parameters: Any = MISSING) -> None:
        super().__init__(name)
        self.tool = tool
        self.parameters = parameters

    def approves(self, call: PolicyCall) -> bool:
        """Return whether a person need not be asked about ``call``."""
        if call.tool != self.tool:
            return False
        return self.parameters is MISSING or equal(dict(call.parameters), self.parameters)


class Exec(_Asking):
    """A typed rule about commands and calls, for the exec policy, which alone knows what it says of a call."""

    __slots__ = ("rule",)

    def __init__(self, name: str, rule: ExecRule) -> None:
        super().__init__(name)
        self.rule = rule


class Function:
    """A policy written in Python."""

    __slots__ = ("function", "name")

    def __init__(self, name: str, function: Callable[[PolicyCall], Answer]) -> None:
        self.name = name
        self.function = function

    def check(self, call: PolicyCall) -> Sequence[str]:
        answer: Any = self.function(apart(call))
        if answer is None or answer is True:
            return ()
        if answer is False:
            return ("denied by policy",)
        if isinstance(answer, str):
            return (one_line(answer) or "denied by policy",)
        if isinstance(answer, list | tuple) and all(isinstance(reason, str) for reason in answer):
            return [one_line(reason) or "denied by policy" for reason in answer]
        if hasattr(answer, "close") and hasattr(answer, "__await__"):
            answer.close()  # a coroutine that nobody will await
        raise Unreadable(f"it returned {type(answer).__name__}, which is no answer")
