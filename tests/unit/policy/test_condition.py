"""CEL conditions: what they may name, what they see, and what becomes of those that cannot be evaluated."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import InvalidInput
from headway.policy.condition import Condition
from headway.policy.values import MAX_ITEMS, Unreadable
from tests.unit.policy.kit import SECRET, call

CALL = call(
    "fetch",
    {"url": "http://x", "n": 3, "list": [1, 2], "map": {"k": "v"}},
    action_id="a1",
    state={"ready": True, "a-b": 1, "deep": {"x": {"y": 1}}},
    principal=None,
)


@pytest.mark.parametrize(
    "source",
    [
        'tool == "fetch"',
        'type == "tool_call" && action_id == "a1"',
        "principal == null",
        'params.url.startsWith("http:") && !params.url.endsWith("/")',
        'params["url"].matches("^https?://") && params.url.contains("//x")',
        'has(params.n) && !has(params.m) && "n" in params && !("m" in params)',
        "params.n > 2 && params.n <= 3.0 && params.n % 2 == 1",
        "params.list.exists(x, x == 2) && params.list.all(x, x > 0) && params.list.exists_one(x, x == 1)",
        "params.list.map(x, x * 2).filter(x, x > 2).size() == 1",
        'params.map.exists(k, k == "k") && params.map.k == "v"',
        'state.ready && state["a-b"] == 1 && state.deep.x.y == 1 && size(state) == 3',
        'tool in ["fetch", "run"] // a remark: state',
        "type(params.n) == int && string(params.n) == '3' && int('3') == params.n",
        'timestamp("2026-01-02T03:04:05Z").getHours() == 3 && duration("60s") == duration("1m")',
        '"ready" in state ? state.ready : false',
        "'''a''' == \"a\" && r'\\d' == '\\\\d'",
    ],
)
def test_what_conditions_can_say(source: str) -> None:
    assert Condition(source).holds(CALL)
    assert not Condition(f"!({source}\n)").holds(CALL)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("1 +", "not a CEL expression: mismatched input '<EOF>' (column 4)"),
        ('tool ==\n "a" &&& 3', "not a CEL expression: token recognition error at: '& ' (line 2, column 8)"),
        ("tool\0", "not a CEL expression"),
        ('tool == "\\ud800"', "not a CEL expression"),
        (
            "tol == 'x'",
            "unknown name 'tol'; there are action_id, effects, params, principal, reads, state, tool, type, writes",
        ),
        ("tool.startswith('x')", "unknown function 'startswith'; there are all, bytes, contains"),
        ("now() > 1", "unknown function 'now'"),
        ("optional.none().hasValue()", "unknown"),
        ('tool.matches("[")', 'bad regular expression "[": not a regular expression of RE2'),
        ('tool.matches("(a{100}){100}b")', 'bad regular expression "(a{100}){100}b"'),
        ('tool.matches("(a{31}){31}(b{31})")', "too large: repeat less"),
        ("tool.matches(params.pattern)", 'must give matches one pattern: text.matches("…")'),
        ("tool.matches(principal)", "does not stand there as a text"),
        ("tool.matches(b'x')", "does not stand there as a text"),
        ("tool.matches('a' + 'b')", 'must give matches one pattern: text.matches("…")'),
        ("matches(tool, 'a')", 'must give matches one pattern: text.matches("…")'),
        ("tool.matches()", 'must give matches one pattern: text.matches("…")'),
        ("(" * 500 + "1" + ")" * 499, "not a CEL expression"),
        ("", "1 to 1000 characters"),
        (" + ".join(["1"] * 1000), "1 to 1000 characters"),
        (None, "must be a text"),
        (1, "must be a text"),
        ("\ud800", "not valid text"),
    ],
)
def test_bad_conditions_are_refused_in_one_line(source: Any, text: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        Condition(source)
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("params.secret == state.nope", "a key that it names is not there (ask has() first)"),
        ("params[params.secret] == 1", "a key that it names is not there (ask has() first)"),
        ("params.secret > 1", "a value is not of the type that it expects"),
        ("params.secret + 1 == 2", "a value is not of the type that it expects"),
        ("1 / params.zero == 1", "its arithmetic has no result"),
        ("9223372036854775807 + params.one > 1", "its arithmetic has no result"),
        ("params.one.matches('x')", "a value is not of the type that it expects"),
        ("params.one.matches('x') || true", "a value is not of the type that it expects"),
        ("params.long.matches('x')", "matches takes at most 65,536 characters"),
        ("params.half.matches('(a{30}){30}b')", "a text is too long for the regular expression that looks at it"),
        ("state.odd.matches('x')", "the values do not fit it"),
        ("state.odd == 'a'", "the values do not fit it"),
        ("params.secret", "it gives neither true nor false"),
        ("params.one", "it gives neither true nor false"),
        ("null", "it gives neither true nor false"),
    ],
)
def test_what_cannot_be_evaluated_is_told_without_values(source: str, reason: str) -> None:
    parameters = {"secret": SECRET, "zero": 0, "one": 1, "long": "x" * 65_537, "half": "a" * 32_768}
    with pytest.raises(Unreadable) as caught:
        Condition(source).holds(call("run", parameters, state={"odd": f"{SECRET}\ud800"}))
    assert str(caught.value) == f"its condition cannot be evaluated: {reason}"


def test_what_is_not_named_does_not_matter() -> None:
    odd = {"odd": "\ud800", "object": object(), "n": 1}
    for source in ("params.n == 1", 'params["n"] == 1', '"n" in params', "has(params.n)", 'tool == "run"'):
        assert Condition(source).holds(call("run", odd, state=odd))
    with pytest.raises(Unreadable):
        Condition("size(params) == 3").holds(call("run", odd))


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("params.url . matches ( '^http://x$' )", True),
        ("params.url.matches('ttp') && !params.url.matches('TTP') && params.url.matches('(?i)TTP')", True),
        (r"params.url.matches(r'\W\W\W\w') && params.url.matches('''//''')", True),
        ("params.list.map(n, string(n)).exists(t, t.matches('^2$')) // .matches(tool)", True),
        ("params.url.contains('.matches(')", False),
        ("has(params.matches) && params.matches", False),
        ("'matches' in params", False),
    ],
)
def test_matches_finds_a_pattern_anywhere(source: str, holds: bool) -> None:
    assert Condition(source).holds(CALL) is holds


def test_matches_says_nothing_on_the_standard_streams(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(Unreadable):
        Condition("params.v.matches('x')").holds(call("run", {"v": f"{SECRET}" * 10_000}))
    assert capfd.readouterr() == ("", "")


def test_no_text_makes_matches_take_long() -> None:
    condition, refused = Condition("params.l.exists(t, t.matches('(a{30}){30}b'))"), 0
    for count in (10, 100, 1000):
        started = time.process_time()
        try:
            assert not condition.holds(call("run", {"l": ["a" * 16_000] * (count // 10) + ["a" * 100] * count}))
        except Unreadable:
            refused += 1
        assert time.process_time() - started < 10
    assert refused


@pytest.mark.parametrize(
    ("source", "holds"),
    [
        ("size(writes) > 0", True),
        ("'w' in writes && !('r' in writes)", True),
        ("reads == ['r']", True),
        ("reads.exists(key, key.startsWith('w'))", False),
        ("has(effects.w) && effects.w > 1", True),
        ("effects == {'w': 2}", True),
        ("size(effects) == 0", False),
    ],
)
def test_a_condition_sees_what_is_read_and_set(source: str, holds: bool) -> None:
    assert Condition(source).holds(call(reads=("r",), writes=("w", "x"), effects={"w": 2})) is holds
    assert not Condition("size(reads) + size(writes) + size(effects) > 0").holds(call())


@pytest.mark.parametrize(
    ("source", "keys"),
    [
        ("state.k == 1", {"k"}),
        ("state.k.j == state['l']", {"k", "l"}),
        ("'k' in state && has(state.l)", {"k", "l"}),
        ("params.state == 1", set()),
        ("tool == 'state'", set()),
        ("tool == 'x' // state", set()),
        ("state == {}", None),
        ("'a' + 'b' in state", None),
        ("state[tool] == 1", None),
        ("state['a' + 'b'] == 1", None),
        ("state.size() == 1", None),
        ("state.exists(k, k == 'x')", None),
        ("tool in state", None),
        ("state['a\\x62'] == 1", None),
        ("[1].exists(state, state == 1)", None),
        ("'' in state", None),
        ("'k' in state == true", None),
    ],
)
def test_a_condition_gets_the_keys_that_it_names(source: str, keys: set[str] | None) -> None:
    found = Condition(source)._keys["state"]
    assert found == (None if keys is None else frozenset(keys))


@pytest.mark.parametrize(
    ("source", "tool"),
    [
        ('tool == "a"', "a"),
        ("tool == 'a' && params.x == 1 && (params.y == 2 || has(params.z))", "a"),
        ("tool == 'a' && params.x == 1 || true", None),
        ("tool == 'a' && true ? true : false", None),
        ("tool == 'a' || tool == 'b'", None),
        ("tool == 'a' == true", None),
        ("tool == 'a\\x62'", None),
        ("tool != 'a'", None),
        ("(tool == 'a')", None),
        ("params.tool == 'a'", None),
    ],
)
def test_a_condition_that_starts_with_a_tool_is_about_no_other(source: str, tool: str | None) -> None:
    condition, whole = Condition(source), Condition(source)
    assert condition._tool == tool
    whole._tool = None
    for name in ("a", "b", "ab", None):
        made = call(name, {"x": 1, "y": 2, "tool": "a"})
        assert condition.holds(made) is whole.holds(made)


keys = st.sampled_from(["a", "b", "ab", "state", "params"])
terms = st.one_of(
    st.builds("state.{} == 1".format, keys),
    st.builds("has(state.{})".format, keys),
    st.builds("{!r} in state".format, keys),
    st.builds("state[{!r}] == 1".format, keys),
    st.builds("{!r} + {!r} in state".format, keys, keys),
    st.builds("state[{!r} + {!r}] == 1".format, keys, keys),
    st.builds("state.exists(k, k == {!r})".format, keys),
    st.builds("{!r} in (state)".format, keys),
)
sources = st.recursive(
    terms,
    lambda inner: st.one_of(
        st.builds("({} && {})".format, inner, inner),
        st.builds("({} || {})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("({} ? {} : {})".format, inner, inner, inner),
        st.builds("{} == true".format, terms),
        st.builds("[{}] == [true]".format, terms),
    ),
    max_leaves=4,
)


def _outcome(condition: Condition, state: dict[str, Any]) -> bool | str:
    try:
        return condition.holds(call(state=state))
    except Unreadable as error:
        return str(error)


@given(sources, st.dictionaries(keys, st.sampled_from([1, 2])))
def test_the_keys_it_gets_give_what_the_whole_state_gives(source: str, state: dict[str, Any]) -> None:
    narrow, whole = Condition(source), Condition(source)
    whole._keys["state"] = None
    assert _outcome(narrow, state) == _outcome(whole, state)


def test_values_that_are_too_large_or_too_deep_are_not_handed_over() -> None:
    deep: Any = 1
    for _ in range(50_000):
        deep = [deep]
    loop: list[Any] = []
    loop += [loop, loop]
    for value, reason in ((deep, "too deep"), (loop, "too large"), ([0] * (MAX_ITEMS + 1), "too large")):
        with pytest.raises(Unreadable, match=reason):
            Condition("params.v == 1").holds(call("run", {"v": value}))
    while isinstance(deep, list):
        deep = deep[0]


@pytest.mark.parametrize(
    "source",
    [
        "params.l.exists(x, x in params.l && x < 0)",
        "params.l.map(x, params.l).size() < 0",
        "params.l.exists(x, params.l.exists(y, x + y < 0))",
        "params.l.exists(x, params.s.contains('b'))",
    ],
)
def test_no_data_makes_a_condition_take_long(source: str) -> None:
    condition, refused = Condition(source), 0
    for count in (100, 300, 1000, 5000, 50_000):
        started = time.process_time()
        try:
            assert not condition.holds(call("run", {"l": list(range(count)), "s": "a" * count}))
        except Unreadable:
            refused += 1
        assert time.process_time() - started < 10
    assert refused
    assert condition.holds(call("run", {"l": [1, 2], "s": "a"})) is False
