"""The checks, in the order in which they are told. Each only looks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from headway.errors import HeadwayError, one_line
from headway_console.cli.doctor.finding import Finding, Status
from headway_console.cli.doctor.machine import disk, terminal, versions

if TYPE_CHECKING:
    from headway.config import Config
    from headway.home import Home
    from headway_console.cli.options import Place


async def examine(place: Place) -> list[Finding]:
    """Return all findings. What cannot even be looked at is a finding too."""
    findings = [*_safely("versions", versions), *_safely("terminal", terminal)]
    try:
        config = place.config()
        findings.append(Finding("ok", "project", f"{config.project} ({config.file or 'no headway.toml'})"))
    except HeadwayError as error:
        config = None
        findings.append(Finding("fail", "project", one_line(str(error)), error.remedy or ""))
    try:
        home = place.home_to_read()
    except HeadwayError as error:
        return [*findings, Finding("fail", "home", one_line(str(error)), error.remedy or "")]
    if config is not None:
        found = config
        findings += [*_safely("trust", lambda: _trust(found)), *_safely("sandbox", lambda: _sandbox(found, home))]
        findings += _safely("mcp", lambda: _mcp(found))
    findings += _safely("home", lambda: _home(home))
    findings += _safely("store", lambda: _store(home))
    findings += _safely("disk", lambda: disk(home.path))
    return [*findings, await _daemon(home)]


def _safely(name: str, check: Callable[[], Iterator[Finding]]) -> list[Finding]:
    found: list[Finding] = []
    try:
        found.extend(check())
    except HeadwayError as error:
        found.append(Finding("fail", name, one_line(str(error)), error.remedy or ""))
    except OSError as error:
        found.append(Finding("fail", name, one_line(str(error))))
    return found


def _trust(config: Config) -> Iterator[Finding]:
    from headway_console.cli.trusting import trusts
    from headway_console.text import count

    opened = ", ".join(config.opens)
    if not config.code and not opened:
        yield Finding("ok", "trust", "the project has no code of its own, and opens nothing")
    elif trusts(config):
        files = f"{count(len(config.code), 'file')} of code trusted"
        yield Finding("ok", "trust", f"{files}, which opens {opened}" if opened else files)
    else:
        names = one_line(", ".join([*(path.name for path in config.code), *config.opens]), 200)
        yield Finding("warn", "trust", f"not trusted: {names}", "look at the code, then run headway trust")


def _sandbox(config: Config, home: Home) -> Iterator[Finding]:
    from headway.config import control_files
    from headway.provision import sandbox_of

    state = sandbox_of(config, control_files(config, home)).state()
    if state.working:
        said = f"{state.mode}: bubblewrap {state.version} ({state.program})"
        status: Status = "ok" if not state.unfiltered else "fail" if state.mode == "require" else "warn"
        yield Finding(status, "sandbox", f"{said}; {state.unfiltered}" if state.unfiltered else said)
    else:
        yield Finding("fail" if state.mode == "require" else "warn", "sandbox", f"{state.mode}: {state.reason}")


def _mcp(config: Config) -> Iterator[Finding]:
    import shutil

    for name, server in config.mcp.started.items():
        program = server.command
        folder = server.cwd or config.project
        if program is None:
            yield Finding("ok", f"mcp {name}", f"at {one_line(server.shown, 200)}")
        elif shutil.which(str(folder / program) if "/" in program else program) is None:
            yield Finding("warn", f"mcp {name}", f"there is no program {one_line(program, 200)}", "install it")
        else:
            yield Finding("ok", f"mcp {name}", f"{one_line(server.shown, 200)} (headway mcp test starts it)")


def _home(home: Home) -> Iterator[Finding]:
    from headway.project import look
    from headway.trust import check_path

    if not home.path.exists():
        yield Finding("ok", "home", f"{home} (there is none yet)")
        return
    check_path(home.path)
    mode = home.path.stat().st_mode & 0o777
    if mode & 0o077:
        yield Finding("warn", "home", f"{home} has mode {mode:04o}", f"chmod 0700 {home}")
    else:
        yield Finding("ok", "home", str(home))
    owner = look(home).owner
    yield Finding("ok", "lock", "free" if owner is None else f"held by process {owner or '?'}")
    yield from _private_files(home)


def _private_files(home: Home) -> Iterator[Finding]:
    open_to_others: list[Path] = [
        path
        for path in (home.db, home.token_file, home.token_header_file, home.socket)
        if path.exists() and path.stat().st_mode & 0o077
    ]
    for path in open_to_others:
        yield Finding("fail", "permissions", f"others may open {path}", f"chmod 0600 {path}")
    if not open_to_others:
        yield Finding("ok", "permissions", "store, token and socket are yours alone")


def _store(home: Home) -> Iterator[Finding]:
    from headway.store import schema_version

    if not home.db.exists():
        yield Finding("ok", "store", "there is none yet: headway run makes one")
        return
    found = schema_version(home.db)
    text = f"schema {found.version}"
    if found.version > found.latest:
        yield Finding("fail", "store", f"{text}, this Headway knows {found.latest}", "upgrade Headway")
    elif found.version < found.latest:
        yield Finding(
            "warn", "store", f"{text} of {found.latest}", "the next headway run or serve brings it up to date"
        )
    else:
        yield Finding("ok", "store", text)


async def _daemon(home: Home) -> Finding:
    from headway._version import __version__
    from headway.client.daemon import find_daemon, read_daemon_file

    status = await find_daemon(home)
    if status is None:
        if read_daemon_file(home) is None and not home.socket.exists():
            return Finding("ok", "daemon", "none runs: headway up or headway serve starts one")
        return Finding("warn", "daemon", "none answers, though one was here", "headway serve starts one anew")
    if status.version != __version__:
        text = f"pid {status.pid} is Headway {status.version}, this is {__version__}"
        return Finding("warn", "daemon", text, "headway restart lets it become this one")
    return Finding("ok", "daemon", f"pid {status.pid}, Headway {status.version}, A2A at {status.url or '-'}")
