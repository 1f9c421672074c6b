"""Real shells have the last word: what is not caught does not run the denied program, in bash nor in a plain sh.

Texts are put together of pieces at random and run with a PATH that holds harmless programs only.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from headway.policy.exec import ExecCall, ExecPolicy, ExecRule, Verdict
from tests.seeds import chance
from tests.sizes import cases

SHELLS = [path for name in ("bash", "dash") if (path := shutil.which(name)) is not None]

# None by which a text could run for ever, or leave its folder.
PIECES = (
    *("evil", "evil x", "evil x\n", "x", " ", " ", " ", ";", "; ", "\n", "\n", "'", '"', "\\", "\\\n", "$(", ")", "`"),
    *("<<E\n", "\nE\n", "<<'E'\n", "<<-E\n", "&", "|", "{ ", "; }", "(", ")", "$'", "#", " #", "ls", "ls ", "echo "),
    *("&>f ", "[[ ", " ]]", "||", "&&", " if ", " then ", " fi ", "case a in a) ", " esac", ";;", "$X", "X=", "! "),
    *("<", ">", "${X", "}", ":-", "$((", "))", "((", "=", "~", "*", "$", "for i in a; do ", " done", "time ", "eval "),
    *("E", "\t", "a[", "]", "$[", "<(", ">(", "<<<", '$"', ":", "2>", "1>&2", "||evil x;", "&&evil x\n", "\nevil x\n"),
    *(
        ";evil x;",
        "\n\t",
        "select ",
        "coproc ",
        "-c ",
        "command ",
        "timeout 5 ",
        "PATH=. ",
        "alias ls=evil\n",
        "x=evil",
    ),
    *("unset evil\n", "bash -c '", 'sh -c "', "set -- evil;", "$@", "${x}", "printf -v ", "read "),
)


def _stubs(folder: Path, mark: Path) -> Path:
    """Return a folder of programs that do nothing, but "evil", which leaves its mark."""
    programs = folder / "bin"
    programs.mkdir()
    texts = dict.fromkeys(("ls", "cat", "a", "x"), "exit 0")
    for name, text in {**texts, "timeout": 'shift; exec "$@"', "evil": f'echo hit >> "{mark}"'}.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    for name in ("bash", "sh"):
        (programs / name).symlink_to(shutil.which(name) or "/bin/sh")
    return programs


@pytest.mark.skipif(not SHELLS, reason="there is neither bash nor dash here")
@pytest.mark.parametrize("denies", [True, False], ids=["denied", "not allowed"])
def test_what_is_not_caught_does_not_run_it(tmp_path: Path, denies: bool) -> None:
    draw = chance()
    mark = tmp_path / "mark"
    programs = _stubs(tmp_path, mark)
    folder = tmp_path / "cwd"
    folder.mkdir()
    policy = ExecPolicy()
    if denies:
        policy.add(ExecRule("deny", command="evil"))
    policy.add(*(ExecRule("allow", command=name) for name in ("ls", "cat", "a", "x")))
    mode = "on_failure" if denies else "on_request"
    for _ in range(cases(40_000)):
        text = "".join(draw.choice(PIECES) for _ in range(draw.randint(3, 14)))
        if "evil" not in text:
            text += draw.choice(("\nevil x", "; evil x", "&& evil x"))
        call = ExecCall("shell", {"command": text}, command=text, sandboxed=True)
        if policy.decide(call, mode).verdict is not Verdict.ALLOW:
            continue
        for shell in SHELLS:
            subprocess.run(
                [shell, "-c", "--", text],
                cwd=folder,
                env={"PATH": str(programs)},
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=60,
                check=False,
            )
            assert not mark.exists(), f"{shell} runs evil in {text!r}"
