"""MCP servers that behave, and that do not: what becomes of their start, their tools and their calls."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from headway.errors import InvalidInput, NotFound, TerminalToolError, ToolError
from headway.testing import VirtualClock
from headway.tools.context import ToolContext
from headway.tools.mcp.elicit import McpAnswer, McpQuestion
from headway.tools.mcp.gate import multiplies
from headway.tools.mcp.report import McpFailure, McpServerStatus, McpStartup
from headway.tools.mcp.server import FIRST_BACKOFF_S
from headway.tools.mcp.servers import McpServers
from headway.tools.mcp.settings import CALL_S, STARTUP_S, McpServer
from headway.tools.process.child import TERM_GRACE_S
from headway.tools.registry import ToolEntry, ToolRegistry
from headway.tools.schema import ToolSchema
from headway.tools.stream import CONTEXT
from tests.unit.tools.process.children import alive, until

ROGUE = [sys.executable, "-IS", str(Path(__file__).with_name("rogue.py"))]


def rogue(behaviour: str = "good", name: str = "rogue", **options: Any) -> McpServer:
    return McpServer(name=name, command=[*ROGUE, behaviour], **options)


class Served:
    """Some servers on a virtual clock, and what was told of them."""

    def __init__(self, *servers: McpServer, **options: Any) -> None:
        self.clock = VirtualClock()
        self.registry = ToolRegistry()
        self.updates: list[McpServerStatus] = []
        self.complete: list[McpStartup] = []
        self.servers = McpServers(
            servers,
            self.registry,
            clock=self.clock,
            on_update=self.updates.append,
            on_complete=self.complete.append,
            **options,
        )

    async def __aenter__(self) -> Served:
        return self

    async def __aexit__(self, *_: object) -> None:
        closing = asyncio.create_task(self.servers.aclose())
        while not closing.done():
            await self.clock.advance(TERM_GRACE_S)
            await asyncio.sleep(0.001)
        await closing

    def call(self, tool: str, **params: Any) -> asyncio.Task[Any]:
        found = self.registry.get(tool)
        assert found is not None
        return asyncio.ensure_future(found.call(**params))

    def report(self, name: str = "rogue") -> McpServerStatus:
        return next(report for report in self.servers.reports() if report.name == name)

    async def becomes(self, status: str, name: str = "rogue") -> McpServerStatus:
        await until(lambda: self.report(name).status == status)
        return self.report(name)


@pytest.fixture
async def good() -> AsyncIterator[Served]:
    async with Served(rogue()) as served:
        await served.servers.start()
        yield served


# -- the start -------------------------------------------------------------------------------------------------------


async def test_each_server_ends_its_start_once_and_the_sum_comes_last() -> None:
    servers = [rogue(), rogue("dies", "dies"), rogue(name="off", enabled=False)]
    async with Served(*servers, McpServer(name="none", command=["no-such-program-here"])) as served:
        startup = await served.servers.start()

        assert startup == McpStartup(
            ready=["rogue"],
            failed=[
                McpFailure("dies", "ended with exit code 1: no such luck"),
                McpFailure("none", "'no-such-program-here' cannot be started: No such file or directory"),
            ],
            cancelled=["off"],
        )
        assert served.complete == [startup]
        told = {name: [one.status for one in served.updates if one.name == name] for name in ("rogue", "dies", "off")}
        assert told == {"rogue": ["starting", "ready"], "dies": ["starting", "failed"], "off": ["cancelled"]}
        assert await served.servers.start() is startup, "a second start is the first one"


@pytest.mark.parametrize("behaviour", ["hangs", "hangs_at_list"])
async def test_a_server_that_hangs_holds_up_no_other_and_is_named(behaviour: str) -> None:
    async with Served(rogue(behaviour, "slow"), rogue()) as served:
        starting = asyncio.create_task(served.servers.start())
        await served.becomes("ready")
        assert not starting.done()
        assert await served.call("mcp__rogue__echo", a=1) == '{"a": 1}', "before the other has failed"

        while not starting.done():
            await served.clock.advance(STARTUP_S)
            await asyncio.sleep(0.001)

        assert (await starting).failed == [McpFailure("slow", "did not answer within 15 s")]


@pytest.mark.parametrize(
    ("behaviour", "said"),
    [
        ("bad_handshake", "sent an answer that the protocol does not have"),
        ("no_list", "sent an answer that the protocol does not have: tools: Input should be a valid list"),
        ("pages", "its list of tools has more than 100 pages"),
        ("floods", "sends more than can be looked at"),
    ],
)
async def test_a_server_that_lies_is_named_in_one_line(behaviour: str, said: str) -> None:
    async with Served(rogue(behaviour, "liar"), rogue()) as served:
        startup = await served.servers.start()

        assert startup.ready == ["rogue"]
        assert [failure.server_name for failure in startup.failed] == ["liar"]
        assert said in startup.failed[0].error
        assert "\n" not in startup.failed[0].error


async def test_stray_lines_on_stdout_are_passed_over() -> None:
    async with Served(rogue("chatters")) as served:
        assert (await served.servers.start()).ready == ["rogue"]


async def test_a_start_that_is_closed_is_cancelled() -> None:
    async with Served(rogue("hangs")) as served:
        starting = asyncio.create_task(served.servers.start())
        await until(lambda: served.servers._servers["rogue"]._pipe is not None)
        await served.servers.aclose()
        assert (await starting).cancelled == ["rogue"]


# -- its tools -------------------------------------------------------------------------------------------------------


async def test_tools_that_cannot_be_used_are_left_out_and_named() -> None:
    async with Served(rogue("lies")) as served:
        await served.servers.start()

        report = served.report()
        assert report.tools == [
            "mcp__rogue__.._etc_passwd__31m__rm_-rf___",
            "mcp__rogue__echo",
            "mcp__rogue__same_name",
            "mcp__rogue__trap",
        ]
        assert [problem.split(" was left out")[0] for problem in report.problems] == [
            "tool 'echo'",
            "tool 'same_name'",
            f"tool '{'x' * 79}…'",
            "a tool without a name",
            "tool 'broken'",
            "tool 'far'",
            "tool 'bomb'",
        ]
        assert "with its references followed" in report.problems[6]
        assert "it is listed twice" in report.problems[0]
        assert "it would have the name of 'same name'" in report.problems[1]
        assert all(problem.isprintable() for problem in report.problems)


def chain(length: int, fan: int = 1) -> dict[str, Any]:
    """A schema of definitions that each refer to the one before, ``fan`` times."""
    defs: dict[str, Any] = {"d0": {"type": "string"}}
    for n in range(1, length):
        defs[f"d{n}"] = {"allOf": [{"$ref": f"#/$defs/d{n - 1}"} for _ in range(fan)]}
    return {"type": "object", "properties": {"x": {"$ref": f"#/$defs/d{length - 1}"}}, "$defs": defs}


TREE = {"$defs": {"t": {"properties": {"in": {"type": "array", "items": {"$ref": "#/$defs/t"}}}}}, "$ref": "#/$defs/t"}
NAMED = {
    "$defs": {
        "a": {"$anchor": "a", "type": "string"},
        **{f"b{n}": {"$anchor": f"b{n}", "anyOf": [{"$ref": "#a"}] * 9} for n in range(2)},
    },
    "items": {"$ref": "#b1"},
}


@pytest.mark.parametrize(
    ("schema", "much"),
    [
        (chain(30, 2), True),
        (chain(6, 9), True),
        (chain(100_000), True),
        (chain(20), False),
        (chain(8, 2), False),
        (TREE, False),
        (NAMED, False),
        ({"$ref": "#"}, False),
        ({"$ref": "#/no/such~1place/9"}, False),
        ({"$ref": "https://example.com/x"}, False),
        ({"enum": [{"a": 1}] * 20_000}, True),
        (None, False),
        (True, False),
    ],
)
def test_a_schema_that_multiplies_is_known_without_following_it(schema: Any, much: bool) -> None:
    assert multiplies(schema) is much


async def test_a_pattern_that_could_take_for_ever_is_not_run_here() -> None:
    async with Served(rogue("lies")) as served:
        await served.servers.start()
        trap = served.registry.get("mcp__rogue__trap")
        assert trap is not None
        assert trap.schema.parameters["properties"]["a"] == {"type": "string"}
        assert trap.validate({"a": "a" * 50 + "!"}) == []


async def test_a_tool_of_ours_is_never_replaced() -> None:
    served = Served(rogue())

    async def own() -> str:
        return "ours"

    entry = ToolEntry(schema=ToolSchema(name="mcp__rogue__echo"), call=own, is_async=True)
    served.registry.register(entry)
    async with served:
        await served.servers.start()
        assert served.registry.get("mcp__rogue__echo") is entry
        assert any("there is already a tool 'mcp__rogue__echo'" in problem for problem in served.report().problems)


async def test_allow_and_deny_choose_what_is_listed_and_what_is_called() -> None:
    async with Served(rogue(allow=["e*", "fail"], deny=["env"])) as served:
        await served.servers.start()
        assert served.report().tools == ["mcp__rogue__echo", "mcp__rogue__fail"]
        echo = served.registry.get("mcp__rogue__echo")
        assert echo is not None

        served.servers.choose("rogue", deny=["echo"])

        assert "mcp__rogue__echo" not in served.registry
        assert "mcp__rogue__env" in served.registry
        with pytest.raises(TerminalToolError, match="'mcp__rogue__echo' is not let through by allow and deny"):
            await echo.call()
        with pytest.raises(NotFound):
            served.servers.choose("other")


async def test_tools_that_change_are_listed_anew(good: Served) -> None:
    assert await good.call("mcp__rogue__grow", name="newer") == "done"
    await until(lambda: "mcp__rogue__newer" in good.registry)
    assert "mcp__rogue__newer" in good.updates[-1].tools


async def test_entries_say_where_they_come_from() -> None:
    async with Served(rogue(permission="ask", writes_files=True)) as served:
        await served.servers.start()
        entry = served.registry.get("mcp__rogue__echo")
        assert entry is not None
        assert (entry.source, entry.permission, entry.writes_files) == ("mcp", "ask", True)
        assert entry.schema.description == "the tool echo"


# -- calls -----------------------------------------------------------------------------------------------------------


async def test_a_failure_is_told_in_the_servers_words(good: Served) -> None:
    with pytest.raises(ToolError, match=r"^it cannot be done$"):
        await good.call("mcp__rogue__fail")


@pytest.mark.parametrize("value", ["false", 0, None, [], "", {}, True])
async def test_only_a_literal_false_is_a_success(good: Served, value: Any) -> None:
    with pytest.raises(ToolError, match="done"):
        await good.call("mcp__rogue__odd", is_error=value)
    assert await good.call("mcp__rogue__odd", is_error=False) == "done"


async def test_content_that_is_not_all_text_is_given_whole(good: Served) -> None:
    image = {"type": "image", "data": "aGk=", "mimeType": "image/png"}
    assert await good.call("mcp__rogue__blocks") == {"content": [{"type": "text", "text": "see"}, image]}


async def test_a_huge_result_fails_its_call_alone() -> None:
    async with Served(rogue(max_message_bytes=100_000)) as served:
        await served.servers.start()
        never = served.call("mcp__rogue__never")
        with pytest.raises(ToolError, match="sent a message of more than 100,000 bytes"):
            await served.call("mcp__rogue__huge", size=200_000)
        assert len(await served.call("mcp__rogue__huge", size=50_000)) == 50_000
        assert not never.done()
        never.cancel()


async def test_a_call_that_is_not_answered_ends_in_time(good: Served) -> None:
    call = good.call("mcp__rogue__never")
    await until(lambda: good.servers._servers["rogue"]._connection._calls)  # type: ignore[union-attr]
    await good.clock.advance(CALL_S)
    with pytest.raises(ToolError, match="MCP server 'rogue' did not answer within 60 s"):
        await call
    assert await good.call("mcp__rogue__echo") == "{}", "the server is as it was"


async def test_progress_is_passed_on(good: Served) -> None:
    told: list[Any] = []
    context = ToolContext(progress=lambda _, *report: told.append(report))
    assert await good.call("mcp__rogue__progress", **{CONTEXT: context}) == "done"
    assert told == [(1, 2, "part 1"), (2, 2, "part 2")]


async def test_junk_without_end_ends_the_server(good: Served) -> None:
    assert await good.call("mcp__rogue__junk", lines=900) == "done"
    with pytest.raises(ToolError, match="writes to stdout what are no messages of the protocol"):
        await good.call("mcp__rogue__junk", lines=1200)


async def test_a_question_goes_to_whoever_answers() -> None:
    asked: list[McpQuestion] = []

    async def answer(question: McpQuestion) -> McpAnswer:
        asked.append(question)
        return McpAnswer("accept", {"colour": "red"})

    async with Served(rogue(), elicit=answer) as served:
        await served.servers.start()
        context = ToolContext(job_id="j", action_id="a")
        said = json.loads(await served.call("mcp__rogue__ask", **{CONTEXT: context}))

    assert said == {"action": "accept", "content": {"colour": "red"}}
    assert (asked[0].server, asked[0].message, asked[0].context) == ("rogue", "Which colour?", context)
    assert asked[0].schema["required"] == ["colour"]


async def test_without_anybody_a_question_is_declined(good: Served) -> None:
    assert json.loads(await good.call("mcp__rogue__ask")) == {"action": "decline"}


async def test_variables_are_those_that_were_given_secrets_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NOT_FOR_SERVERS", "x")
    env = {"PLAIN": "p", "TOKEN": "secret://hub"}
    async with Served(rogue(env=env), resolve={"hub": "s3cret"}.__getitem__) as served:
        await served.servers.start()
        found = json.loads(await served.call("mcp__rogue__env", names=["PLAIN", "TOKEN", "NOT_FOR_SERVERS"]))
        assert found == {"PLAIN": "p", "TOKEN": "s3cret", "NOT_FOR_SERVERS": None}
        assert "s3cret" not in repr(served.servers._servers["rogue"].settings)


async def test_a_secret_that_cannot_be_had_is_a_server_that_failed() -> None:
    async with Served(rogue(env={"TOKEN": "secret://hub"})) as served:
        startup = await served.servers.start()
        assert startup.failed == [McpFailure("rogue", "secret 'hub' is not declared")]


# -- connecting anew -------------------------------------------------------------------------------------------------


async def test_a_server_that_dies_is_connected_anew_and_calls_wait_for_it(good: Served) -> None:
    with pytest.raises(ToolError, match="MCP server 'rogue' ended with exit code 7: dying"):
        await good.call("mcp__rogue__die")
    report = await good.becomes("lost")
    assert (report.error, "mcp__rogue__echo" in report.tools) == ("ended with exit code 7: dying", True)

    call = good.call("mcp__rogue__echo", b=2)
    await good.clock.advance(FIRST_BACKOFF_S)
    assert await call == '{"b": 2}'
    assert [update.status for update in good.updates] == ["starting", "ready", "lost", "ready"]


async def test_what_failed_to_start_is_tried_again(tmp_path: Path) -> None:
    program = tmp_path / "server.sh"
    async with Served(McpServer(name="later", command=[str(program)])) as served:
        startup = await served.servers.start()
        assert [failure.server_name for failure in startup.failed] == ["later"]
        await until(lambda: served.clock.pending)
        program.write_text(f"#!/bin/sh\nexec {' '.join(ROGUE)} good\n")
        program.chmod(0o755)
        while served.report("later").status != "ready":
            await served.clock.advance(FIRST_BACKOFF_S)
            await asyncio.sleep(0.001)
        assert await served.call("mcp__later__echo") == "{}"


async def test_a_stubborn_server_is_gone_when_its_servers_are_closed() -> None:
    async with Served(rogue("stubborn")) as served:
        await served.servers.start()
        pipe = served.servers._servers["rogue"]._pipe
        assert pipe is not None
        pid = pipe.pid
        assert pid is not None
        assert alive(pid)
    assert not alive(pid)
    with pytest.raises(ToolError, match="MCP server 'rogue' was closed"):
        await served.call("mcp__rogue__echo")


# -- what makes no sense ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"name": "a__b"}, "an MCP server cannot be called 'a__b'"),
        ({"name": ""}, "an MCP server cannot be called ''"),
        ({"name": "x" * 65}, "an MCP server cannot be called"),
        ({"command": []}, "the command of MCP server 'a' needs a program"),
        ({"command": "sh -c true"}, "it never goes through a shell"),
        ({"env": {"A": 1}}, "the env of MCP server 'a'"),
        ({"env": {"A": "\0"}}, "the env of MCP server 'a'"),
        ({"allow": "echo"}, "allow of MCP server 'a' is a list of texts"),
        ({"permission": "perhaps"}, "the permission of MCP server 'a'"),
        ({"startup_secs": 0}, "startup_secs of MCP server 'a'"),
        ({"call_secs": float("nan")}, "call_secs of MCP server 'a'"),
        ({"max_message_bytes": 1}, "max_message_bytes of MCP server 'a'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        McpServer(**{"name": "a", "command": ["x"], **options})


async def test_two_servers_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidInput, match="there are two MCP servers 'rogue'"):
        Served(rogue(), rogue())
