"""The policy engine: every rule sees every action, every reason is told, no value is."""

from __future__ import annotations

import asyncio
import functools
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import InvalidInput, NotFound
from headway.policy.call import PolicyCall
from headway.policy.engine import PolicyEngine
from tests.unit.policy.kit import SECRET, call, write


def test_deny_tool_denies_that_tool_only() -> None:
    engine = PolicyEngine()
    engine.deny_tool("nt", "boom")
    assert engine.check(call("boom")) == ["policy 'nt': tool 'boom' denied by policy"]
    assert engine.check(call("boom2")) == []
    assert engine.check(write("boom")) == []


@pytest.mark.parametrize(
    "value",
    [
        "x rm -rf /",
        ["ok", "rm -rf"],
        {"a": [{"b": "rm -rf"}]},
        {"rm -rf": 1},
    ],
)
def test_deny_tool_param_searches_the_value_at_any_depth(value: Any) -> None:
    engine = PolicyEngine()
    engine.deny_tool_param("np", "run", "cmd", "rm -rf")
    assert engine.check(call("run", {"cmd": value})) == ["policy 'np': param 'cmd' matches denied pattern 'rm -rf'"]
    assert engine.check(call("other", {"cmd": value})) == []
    assert engine.check(call("run", {"cmd2": value})) == []


def test_deny_tool_param_sees_numbers_as_json_writes_them() -> None:
    engine = PolicyEngine()
    engine.deny_tool_param("port", "run", "port", "22")
    engine.deny_tool_param("flag", "run", "flag", "true")
    engine.deny_tool_param("none", "run", "flag", "null")
    assert len(engine.check(call("run", {"port": 8022, "flag": [True, None]}))) == 3
    assert engine.check(call("run", {"port": 80.5, "flag": False})) == []


@pytest.mark.parametrize(
    ("wanted", "state", "holds"),
    [
        (True, {"ready": True}, True),
        (True, {"ready": 1}, False),
        (1, {"ready": 1.0}, True),
        (None, {}, False),
        (None, {"ready": None}, True),
        ({"a": [1]}, {"ready": {"a": [1]}}, True),
    ],
)
def test_require_state_holds_for_every_action(wanted: Any, state: dict[str, Any], holds: bool) -> None:
    engine = PolicyEngine()
    engine.require_state("rs", "ready", wanted)
    expected = [] if holds else ["policy 'rs': state['ready'] does not have the required value"]
    assert engine.check(call(state=state)) == expected
    assert engine.check(write(state=state)) == expected


def test_a_required_value_is_the_engines_own() -> None:
    engine, value = PolicyEngine(), [1]
    engine.require_state("rs", "k", value)
    value.append(2)
    assert engine.check(call(state={"k": [1]})) == []


@pytest.mark.parametrize(
    ("answer", "reasons"),
    [
        (None, []),
        (True, []),
        ([], []),
        (False, ["denied by policy"]),
        ("", ["denied by policy"]),
        ("not\nnow\x1b", ["not now\N{REPLACEMENT CHARACTER}"]),
        (["a", "b"], ["a", "b"]),
        (("a",), ["a"]),
        (0, ["it returned int, which is no answer, so the action is denied"]),
        (1, ["it returned int, which is no answer, so the action is denied"]),
        (["a", 1], ["it returned list, which is no answer, so the action is denied"]),
        ({"a": 1}, ["it returned dict, which is no answer, so the action is denied"]),
    ],
)
def test_what_a_function_may_answer(answer: Any, reasons: list[str]) -> None:
    engine = PolicyEngine()
    engine.register("f", lambda _: answer)
    assert engine.check(call()) == [f"policy 'f': {reason}" for reason in reasons]


def test_a_function_sees_the_whole_call() -> None:
    engine, seen = PolicyEngine(), []
    engine.register("f", seen.append)
    made = call("run", {"p": 1}, state={"s": 1}, reads=("s",), writes=("w",), principal="anna", now=4.0)
    assert engine.check(made) == []
    engine.check(write())
    assert seen == [made, write()]


@pytest.mark.parametrize("error", [ValueError(SECRET), SystemExit(SECRET), asyncio.CancelledError(SECRET)])
def test_a_function_that_raises_denies_and_keeps_the_exceptions_text(error: BaseException) -> None:
    def broken(_: PolicyCall) -> None:
        raise error

    engine = PolicyEngine()
    engine.register("f", broken)
    engine.deny_tool("t", "run")
    assert engine.check(call()) == [
        f"policy 'f': it failed with {type(error).__name__}, so the action is denied",
        "policy 't': tool 'run' denied by policy",
    ]


def test_ctrl_c_is_no_answer() -> None:
    def interrupted(_: PolicyCall) -> None:
        raise KeyboardInterrupt

    engine = PolicyEngine()
    engine.register("f", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.check(call())


async def test_async_functions_are_refused_and_their_like_denied() -> None:
    async def later(_: PolicyCall) -> None: ...

    class Later:
        async def __call__(self, _: PolicyCall) -> None: ...

    engine = PolicyEngine()
    for function in (later, Later(), functools.partial(later)):
        with pytest.raises(InvalidInput, match="cannot wait"):
            engine.register("f", function)
    engine.register("f", lambda made: later(made))
    assert engine.check(call()) == ["policy 'f': it returned coroutine, which is no answer, so the action is denied"]


def test_all_reasons_are_told_in_the_order_of_registration() -> None:
    engine = PolicyEngine()
    session = engine.open_session()
    engine.deny_tool("s", "run", session=session)
    engine.deny_tool_param("b", "run", "cmd", "x")
    engine.deny_tool("a", "run")
    found = engine.check(call("run", {"cmd": "x"}, session=session))
    assert [line.split("'")[1] for line in found] == ["b", "a", "s"]


def test_rules_of_a_session_apply_to_its_calls_only() -> None:
    engine = PolicyEngine()
    one, two = engine.open_session(), engine.open_session()
    assert one != two
    engine.deny_tool("t", "run", session=one)
    engine.deny_tool_param("p", "run", "cmd", "x", session=one)
    engine.require_state("s", "k", 1, session=one)
    engine.register("f", lambda _: False, session=one)
    assert len(engine.check(call("run", {"cmd": "x"}, session=one))) == 4
    assert engine.check(call("run", {"cmd": "x"}, session=two)) == []
    assert engine.check(call("run", {"cmd": "x"})) == []
    assert engine.names(session=one) == ["t", "p", "s", "f"]
    assert engine.names() == engine.names(session=two) == []


def test_a_session_that_is_closed_ends_its_calls() -> None:
    engine = PolicyEngine()
    session = engine.open_session()
    assert engine.check(call(session=session)) == []
    assert engine.close_session(session)
    assert not engine.close_session(session)
    assert engine.idle
    assert engine.check(call(session=session)) == [f"policy session '{session}' is not open"]
    for use in (engine.names, lambda session: engine.deny_tool("t", "run", session=session)):
        with pytest.raises(NotFound, match="is not open"):
            use(session=session)
    assert engine.idle


def test_unregister_removes_all_of_a_name_and_counts_them() -> None:
    engine = PolicyEngine()
    session = engine.open_session()
    engine.deny_tool("n", "a")
    engine.deny_tool("n", "b")
    engine.deny_tool("m", "a")
    engine.deny_tool("n", "a", session=session)
    assert engine.names() == ["n", "n", "m"]
    assert engine.unregister("n") == 2
    assert engine.unregister("n") == 0
    assert engine.names() == ["m"]
    assert engine.check(call("b")) == []
    assert len(engine.check(call("a", session=session))) == 2
    assert engine.unregister("n", session=session) == 1
    assert len(engine.check(call("a", session=session))) == 1


def test_idle_while_there_is_nothing_to_ask() -> None:
    engine = PolicyEngine()
    assert engine.idle
    engine.deny_tool("n", "a")
    assert not engine.idle
    engine.unregister("n")
    assert engine.idle
    engine.close_session(engine.open_session())
    assert engine.idle


def test_a_policy_may_register_and_unregister_while_it_is_asked() -> None:
    engine = PolicyEngine()

    def once(_: PolicyCall) -> str:
        engine.unregister("once")
        engine.deny_tool("t", "run")
        return "first"

    engine.register("once", once)
    assert engine.check(call()) == ["policy 'once': first"]
    assert engine.check(call()) == ["policy 't': tool 'run' denied by policy"]


BAD_TEXTS = ["", "x" * 2000, "\ud800", None, 1, b"x", ["x"], math.nan]


@pytest.mark.parametrize("bad", BAD_TEXTS)
def test_wrong_arguments_are_refused_and_change_nothing(bad: Any) -> None:
    engine = PolicyEngine()
    uses = [
        lambda: engine.deny_tool(bad, "t"),
        lambda: engine.deny_tool("n", bad),
        lambda: engine.deny_tool_param(bad, "t", "k", "p"),
        lambda: engine.deny_tool_param("n", bad, "k", "p"),
        lambda: engine.deny_tool_param("n", "t", bad, "p"),
        lambda: engine.deny_tool_param("n", "t", "k", bad),
        lambda: engine.require_state(bad, "k", 1),
        lambda: engine.require_state("n", bad, 1),
        lambda: engine.register(bad, bool),
        lambda: engine.register("n", bad),
    ]
    for use in uses:
        with pytest.raises(InvalidInput) as caught:
            use()
        assert "\n" not in str(caught.value)
    if bad is not None:
        for use in (lambda: engine.close_session(bad), lambda: engine.names(session=bad)):
            with pytest.raises(InvalidInput):
                use()
    assert engine.idle


@pytest.mark.parametrize("bad", ["a\nb", "\x1b[31m", "a\0"])
def test_names_are_printable(bad: str) -> None:
    with pytest.raises(InvalidInput, match="printable"):
        PolicyEngine().deny_tool(bad, "t")


def test_a_required_value_must_be_json() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    engine = PolicyEngine()
    for bad in (math.nan, object(), {"a": {1, math.inf}}, "\ud800", deep):
        with pytest.raises(InvalidInput):
            engine.require_state("n", "k", bad)
    while isinstance(deep, list):
        deep = deep[0]
    assert engine.idle


def test_values_that_cannot_be_looked_at_are_denied() -> None:
    engine = PolicyEngine()
    engine.deny_tool_param("p", "run", "cmd", "x")
    deep: Any = "x"
    for _ in range(100_000):
        deep = [deep]
    assert engine.check(call("run", {"cmd": deep})) == ["policy 'p': param 'cmd' matches denied pattern 'x'"]
    while isinstance(deep, list):
        deep = deep[0]
    loop: list[Any] = []
    loop += [loop, loop]
    denied = "policy 'p': the parameters are"
    assert engine.check(call("run", {"cmd": loop})) == [f"{denied} too large to look at, so the action is denied"]
    assert engine.check(call("run", {"cmd": object()})) == [f"{denied} not JSON, so the action is denied"]
    huge = engine.check(call("run", {"cmd": 10**10_000}))
    assert huge == ["policy 'p': the parameters hold a number that is too large, so the action is denied"]
    assert engine.check(call(["run"], {"cmd": "x"})) == []  # no tool has that name


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), json_values, max_size=4), st.dictionaries(st.text(), json_values, max_size=4))
def test_no_value_stands_in_a_reason(parameters: dict[str, Any], state: dict[str, Any]) -> None:
    engine = PolicyEngine()
    engine.deny_tool_param("p", "run", "cmd", "e")
    engine.require_state("s", "k", "wanted")
    made = call("run", {**parameters, "cmd": f"{SECRET} here"}, state={**state, "k": SECRET})
    found = engine.check(made)
    assert found == [
        "policy 'p': param 'cmd' matches denied pattern 'e'",
        "policy 's': state['k'] does not have the required value",
    ]
    assert SECRET not in repr(made) + repr(engine)


def test_use_files_takes_rule_sets_only() -> None:
    engine = PolicyEngine()
    for bad in ([], "policies", 1):
        with pytest.raises(InvalidInput, match="load_policies"):
            engine.use_files(bad)  # type: ignore[arg-type]
    assert engine.file_rules is None
    assert engine.idle
