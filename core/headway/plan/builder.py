"""Plans made in Python: calls with the arguments of the functions, and outputs with the types that these return.

``page = plan.call(fetch, url="…")`` takes what ``fetch`` takes; ``page.output`` has the type that ``fetch`` returns and
is, until the plan runs, a :class:`Ref`: it stands for the output, and so do its parts (``page.output["title"]``,
``page.output.title``). The plan that comes out is the wire format, as it would be written by hand.
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Concatenate, Generic, NoReturn, ParamSpec, TypeVar, cast, overload

from headway.arguments import expect, expect_many, plain
from headway.errors import InvalidInput, InvalidPlan, one_line
from headway.jsonvalue import to_json
from headway.plan.format import (
    Action,
    ActionProposal,
    ActionType,
    Assumption,
    Compensation,
    FailureBehavior,
    FailureBehaviorName,
    InvocationMode,
    InvocationModeName,
    Precondition,
    Reversibility,
    ReversibilityName,
    new_id,
    timestamp_now,
)
from headway.plan.references import escaped
from headway.plan.verify import VerifyReport, verify
from headway.secrets.reference import hold
from headway.secrets.secret import Secret
from headway.tools.decorator import entry_of, name_of
from headway.tools.registry import ToolRegistry
from headway.tools.signature import read_signature

if TYPE_CHECKING:
    from headway.tools.context import ToolContext, ToolResult
    from headway.tools.schema import ToolSchema

P = ParamSpec("P")
R = TypeVar("R")
T = TypeVar("T")

_STEP = "_headway_step"
_PATH = "_headway_path"


class Ref:
    """The output of a step, or a part of it, that a plan refers to. Items and attributes of a Ref are parts of it.

    It has no value before the plan runs: what needs one (``if``, ``len``, iteration, text, arithmetic) raises
    :class:`InvalidPlan`.
    """

    __slots__ = (_PATH, _STEP)

    def __init__(self, step: Step[Any], path: tuple[str, ...] = ()) -> None:
        object.__setattr__(self, _STEP, step)
        object.__setattr__(self, _PATH, path)

    def __getitem__(self, part: str | int) -> Ref:
        if type(part) is int and part >= 0:
            part = str(part)
        if not isinstance(part, str) or not part:
            raise InvalidPlan("a part of an output is named by a text or a number from 0")
        if "." in part:
            raise InvalidPlan(f"a reference cannot name '{one_line(part, 80)}': a dot parts the names of its path")
        return Ref(_step_of(self), (*_path_of(self), part))

    def __getattr__(self, name: str) -> Ref:
        if name.startswith("__"):  # what Python and libraries look for
            raise AttributeError(name)
        return self[name]

    def __setattr__(self, name: str, _: object) -> NoReturn:
        raise InvalidPlan(f"'{name}' of an output cannot be set: it is made when the plan runs")

    def __repr__(self) -> str:
        return f"Ref({reference_of(self)!r})"

    def _refuse(self, *_: object) -> NoReturn:
        raise InvalidPlan(
            f"'{reference_of(self)}' has no value before the plan runs: give it to a step as it is, and whole"
        )

    __bool__ = __len__ = __iter__ = __contains__ = __int__ = __float__ = __index__ = _refuse
    __eq__ = __ne__ = _refuse
    __hash__ = object.__hash__
    __str__ = __format__ = __call__ = __neg__ = __lt__ = __le__ = __gt__ = __ge__ = _refuse
    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = __truediv__ = __mod__ = _refuse


def _step_of(ref: Ref) -> Step[Any]:
    return cast("Step[Any]", object.__getattribute__(ref, _STEP))


def _path_of(ref: Ref) -> tuple[str, ...]:
    return cast("tuple[str, ...]", object.__getattribute__(ref, _PATH))


def reference_of(ref: Ref) -> str:
    """Return the text that stands for ``ref`` in the wire format: ``$id.output.path``."""
    return ".".join((f"${_step_of(ref).id}.output", *_path_of(ref)))


class Step(Generic[R]):
    """One action of a plan that is being made. ``R`` is the type of its output."""

    def __init__(
        self, plan: Plan, action_id: str, kind: ActionType, tool: str | None, parameters: dict[str, Any]
    ) -> None:
        self._plan = plan
        self._id = action_id
        self._fields: dict[str, Any] = {"type": kind, "tool": tool, "parameters": parameters}

    def __repr__(self) -> str:
        return f"Step({self._id!r})"

    @property
    def id(self) -> str:
        """The id of the action."""
        return self._id

    @property
    def output(self) -> R:
        """The output that the step will have: a :class:`Ref` that later steps take as an argument."""
        return cast(R, Ref(self))

    def options(
        self,
        *,
        id: str | None = None,
        after: Iterable[Step[Any] | str] | None = None,
        failure_behavior: FailureBehavior | FailureBehaviorName | None = None,
        max_retries: int | None = None,
        timeout_ms: int | None = None,
        idempotent: bool | None = None,
        reversibility: Reversibility | ReversibilityName | None = None,
        compensation: Compensation | None = None,
        preconditions: Sequence[Precondition] | None = None,
        expected_effects: Mapping[str, Any] | None = None,
        state_dependencies: Sequence[str] | None = None,
        read_set: Sequence[str] | None = None,
        write_set: Sequence[str] | None = None,
        assumptions: Sequence[Assumption] | None = None,
        invocation_mode: InvocationMode | InvocationModeName | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Step[R]:
        """Set fields of the action, named as in the format, and return the step; None leaves a field as it is.

        ``id`` takes the place of the generated one. ``after`` are steps, or ids, that must have succeeded before:
        the format's ``dependencies``. Raises :class:`InvalidPlan` for a value that the format does not take, or an id
        that another action has.
        """
        given = {name: value for name, value in locals().items() if name not in ("self", "id", "after")}
        fields = self._fields | {name: value for name, value in given.items() if value is not None}
        if after is not None:
            fields["dependencies"] = [_id_of(step) for step in expect_many(after, "after")]
        name = self._id if id is None else plain(id, "an action's id")
        Action(id=name, **fields)
        self._plan._rename(self, name)
        self._id, self._fields = name, fields
        return self

    @overload
    def undo(self, tool: str, /, **parameters: Any) -> Step[R]: ...

    @overload
    def undo(self, tool: Callable[P, Any], /, *args: P.args, **kwargs: P.kwargs) -> Step[R]: ...

    @overload
    def undo(
        self, tool: Callable[Concatenate[ToolContext, P], Any], /, *args: P.args, **kwargs: P.kwargs
    ) -> Step[R]: ...

    def undo(self, tool: Any, /, *args: Any, **kwargs: Any) -> Step[R]:
        """Name the call that takes the step's effect back when the run aborts, and return the step.

        It becomes the action's ``compensation``, and the action ``compensable``. Arguments may refer to any step of the
        plan, this one too.
        """
        name, parameters = self._plan._call(tool, args, kwargs)
        self._fields["compensation"] = Compensation(tool=name, parameters=parameters)
        self._fields["reversibility"] = Reversibility.COMPENSABLE
        return self

    def _action(self) -> Action:
        fields = dict(self._fields)
        fields["parameters"] = _resolved(fields["parameters"])
        if (undo := fields.get("compensation")) is not None and undo.type == "tool":
            fields["compensation"] = undo.replace(parameters=_resolved(undo.parameters))
        return Action(id=self._id, **fields)


class Plan:
    """A plan that is made step by step.

    ``goal`` and ``context`` go into the plan's ``context``, ``source`` names who made it. ``id`` and ``timestamp`` are
    generated without one. Wherever a proposal is taken, so is a Plan.
    """

    def __init__(
        self,
        *,
        goal: str | None = None,
        source: str = "unknown",
        id: str | None = None,
        timestamp: str | None = None,
        context: Mapping[str, Any] | None = None,
    ) -> None:
        context = dict(expect({} if context is None else context, Mapping, "a plan's context"))
        if goal is not None:
            context["goal"] = expect(goal, str, "a plan's goal")
        self._head = ActionProposal(
            id=new_id() if id is None else id,
            source=source,
            timestamp=timestamp_now() if timestamp is None else timestamp,
            actions=[],
            context=context,
        )
        self._steps: dict[str, Step[Any]] = {}
        self._functions: dict[str, Callable[..., Any]] = {}

    def __repr__(self) -> str:
        return f"Plan({self._head.id!r}, {len(self._steps)} steps)"

    @property
    def functions(self) -> tuple[Callable[..., Any], ...]:
        """The functions that the plan calls, its compensations among them: the tools to register for a run of it."""
        return tuple(self._functions.values())

    @overload
    def call(self, tool: str, /, **parameters: Any) -> Step[Any]: ...

    @overload
    def call(self, tool: Callable[P, Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs) -> Step[R]: ...

    @overload
    def call(
        self, tool: Callable[P, AsyncIterator[Any] | ToolResult], /, *args: P.args, **kwargs: P.kwargs
    ) -> Step[Any]: ...

    @overload
    def call(self, tool: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Step[R]: ...

    @overload
    def call(
        self, tool: Callable[Concatenate[ToolContext, P], Awaitable[R]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Step[R]: ...

    @overload
    def call(
        self,
        tool: Callable[Concatenate[ToolContext, P], AsyncIterator[Any] | ToolResult],
        /,
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Step[Any]: ...

    @overload
    def call(self, tool: Callable[Concatenate[ToolContext, P], R], /, *args: P.args, **kwargs: P.kwargs) -> Step[R]: ...

    def call(self, tool: Any, /, *args: Any, **kwargs: Any) -> Step[Any]:
        """Add a tool call, and return its step.

        ``tool`` is a function, decorated or not, whose own signature says what it takes, or the name of a tool. A
        function's :class:`~headway.tools.context.ToolContext` is left out: the executor gives it. Arguments are values
        or outputs of other steps, which may also stand inside of lists and objects. Raises :class:`InvalidPlan` for
        arguments that the function does not take, and for values that are not JSON.
        """
        name, parameters = self._call(tool, args, kwargs)
        return self._add(ActionType.TOOL_CALL, name, parameters, name)

    def write(self, key: str, value: Any) -> Step[str]:
        """Add a step that sets a state key to a value, or to the output of a step."""
        parameters = {"key": escaped(plain(key, "a key", 1024)), "value": _argument(value)}
        return self._add(ActionType.STATE_WRITE, None, parameters, f"write_{key}")

    @overload
    def read(self, key: str) -> Step[Any]: ...

    @overload
    def read(self, key: str, kind: type[T]) -> Step[T]: ...

    def read(self, key: str, kind: object = None) -> Step[Any]:
        """Add a step whose output is the value of a state key; ``kind`` is its type, for type checkers."""
        return self._add(ActionType.STATE_READ, None, {"key": escaped(plain(key, "a key", 1024))}, f"read_{key}")

    def check(self, key: str, expected: Any) -> Step[dict[str, Any]]:
        """Add an assertion: the plan fails unless the value of a state key is ``expected``."""
        parameters = {"key": escaped(plain(key, "a key", 1024)), "expected": _argument(expected)}
        return self._add(ActionType.ASSERTION, None, parameters, f"check_{key}")

    def proposal(self) -> ActionProposal:
        """Return the plan as it is now, in the format. Raises :class:`InvalidPlan` for a value that is not JSON."""
        return self._head.replace(actions=[step._action() for step in self._steps.values()])

    def to_dict(self) -> dict[str, Any]:
        """Return the plan as plain JSON data, fields at their default left out."""
        return self.proposal().to_dict()

    def to_json(self) -> str:
        """Return the plan as JSON text."""
        return self.proposal().to_json()

    def verify(
        self,
        state: Mapping[str, Any] | None = None,
        tools: ToolRegistry | Iterable[str] | None = None,
        max_actions: int | None = None,
        schemas: Iterable[ToolSchema] | None = None,
    ) -> VerifyReport:
        """Check the plan, as :func:`headway.verify` does. Without ``tools``: against the functions that it calls.

        Tools that it calls by name are then not known.
        """
        if tools is None and self._functions:
            tools = ToolRegistry()
            for function in self._functions.values():
                tools.register(entry_of(function))
        return verify(self, state, tools, max_actions, schemas)

    def _call(self, tool: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return the name of a tool, and its parameters as the wire format has them."""
        if isinstance(tool, str):
            if args:
                raise InvalidPlan("a tool that is called by name takes its arguments by name")
            name = plain(tool, "a tool's name")
        else:
            name = name_of(tool)
            kwargs = _bound(tool, name, args, kwargs)
            known = self._functions.setdefault(name, tool)
            if known is not tool:
                raise InvalidPlan(f"two functions of the plan are called '{name}': name one by tool(name=…)")
        return name, {parameter: _argument(value) for parameter, value in kwargs.items()}

    def _add(self, kind: ActionType, tool: str | None, parameters: dict[str, Any], wanted: str) -> Step[Any]:
        step: Step[Any] = Step(self, self._free_id(wanted[:200]), kind, tool, parameters)
        self._steps[step.id] = step
        return step

    def _free_id(self, wanted: str) -> str:
        """Return ``wanted``, numbered from 2 where it is taken."""
        name, number = wanted, 1
        while name in self._steps:
            number += 1
            name = f"{wanted}_{number}"
        return name

    def _rename(self, step: Step[Any], name: str) -> None:
        if name != step.id:
            if name in self._steps:
                raise InvalidPlan(f"duplicate action id '{name}'")
            self._steps = {name if other is step else key: other for key, other in self._steps.items()}


def _bound(function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """Return the arguments by name; :class:`InvalidPlan` for some that the function does not take."""
    if inspect.isclass(function):
        raise InvalidInput(f"tool '{name}': a class is no tool")
    context = read_signature(function, name).context_param
    signature = inspect.signature(function)
    taken = [parameter for parameter in signature.parameters.values() if parameter.name != context]
    try:
        bound = signature.replace(parameters=taken).bind(*args, **kwargs)
    except TypeError as error:
        raise InvalidPlan(f"tool '{name}': {one_line(str(error), 200)}") from None
    arguments = dict(bound.arguments)
    for parameter in taken:
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            arguments |= arguments.pop(parameter.name, {})
    return arguments


def _id_of(step: object) -> str:
    return step.id if isinstance(step, Step) else plain(step, "a step to come after")


def _argument(value: Any) -> Any:
    """Return an argument with its texts escaped and everything in it JSON, but for the outputs it refers to."""
    try:
        return _value(value)
    except RecursionError:
        raise InvalidPlan("an argument is nested too deep") from None
    except InvalidPlan:
        raise
    except InvalidInput as error:
        raise InvalidPlan(f"an argument is not JSON: {error.message}") from None


def _value(value: Any) -> Any:
    if isinstance(value, Ref):
        return value
    if isinstance(value, Secret):
        return hold(value)
    if isinstance(value, Step):
        raise InvalidPlan(f"give the output of step '{value.id}', not the step: it is its .output")
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, Mapping):
        return {key: _value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_value(item) for item in value]
    made = to_json(value)
    return _value(made) if isinstance(made, str | dict | list) else made


def _resolved(value: Any) -> Any:
    """Return an argument in the wire format: the outputs that it refers to as texts."""
    if isinstance(value, Ref):
        return reference_of(value)
    if isinstance(value, dict):
        return {key: _resolved(item) for key, item in value.items()}
    return [_resolved(item) for item in value] if isinstance(value, list) else value
