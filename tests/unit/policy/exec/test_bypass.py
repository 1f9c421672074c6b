"""No composition of wrappers makes a denied command an allowed one, in any mode, in the sandbox or not."""

from __future__ import annotations

import shlex
from collections.abc import Callable

from hypothesis import given, settings
from hypothesis import strategies as st

from headway.policy.exec import AskForApproval, ExecCall, ExecPolicy, ExecRule, Verdict
from tests.sizes import cases

BASES = (
    "rm x",
    "r''m x",
    "\\rm x",
    "$'\\x72m' x",
    "/bin/../bin/rm x",
    "X=rm; $X x",
    "rm -f x >/dev/null",
    "r\\\nm x",
    "`echo rm` x",
    "$(echo rm) x",
    "a=r b=m; $a$b x",
    "echo x | xargs rm",
    "rm\tx",
)
quote = shlex.quote
WRAPPERS: tuple[Callable[[str], str], ...] = (
    lambda c: f"bash -c {quote(c)}",
    lambda c: f"sh -ec {quote(c)}",
    lambda c: f"eval {quote(c)}",
    lambda c: f"ls && {c}",
    lambda c: f"false || {c}",
    lambda c: f"( {c} )",
    lambda c: f"{{ {c}\n}}",
    lambda c: f"! {c}",
    lambda c: f"true | {c}",
    lambda c: f"echo $({c})",
    lambda c: f'echo "a $({c}) b"',
    lambda c: f"cat <({c})",
    lambda c: f"x=$({c})",
    lambda c: f"echo ${{X:-$({c})}}",
    lambda c: f"echo $((1+$({c}\n)))",
    lambda c: f"if true; then {c}\nfi",
    lambda c: f"for i in 1; do {c}\ndone",
    lambda c: f"case a in a) {c}\n;; esac",
    lambda c: f"f() {{ {c}\n}}; f",
    lambda c: f"alias l={quote(c)}\nl",
    lambda c: f"trap {quote(c)} EXIT",
    lambda c: f"sh <<'EOF'\n{c}\nEOF\n",
    lambda c: f"cat <<E\n$({c})\nE\n",
    lambda c: f"echo {quote(c)} | sh",
    lambda c: f"printf %s {quote(c)} | bash",
    lambda c: f". /dev/stdin <<'Z'\n{c}\nZ\n",
    lambda c: f'sh -c "$(echo {quote(c)})"',
    lambda c: f'X={quote(c)}; eval "$X"',
    lambda c: f"bash -c 'eval \"$1\"' _ {quote(c)}",
    lambda c: f"env A=b sh -c {quote(c)}",
    lambda c: f"env -S {quote('sh -c ' + quote(c))}",
    lambda c: f"sudo -u root sh -c {quote(c)}",
    lambda c: f"timeout -k 1 5 bash -c {quote(c)}",
    lambda c: f"nohup nice -n 5 sh -c {quote(c)}",
    lambda c: f"exec -a ls sh -c {quote(c)}",
    lambda c: f"echo a | xargs -I@ sh -c {quote(c)}",
    lambda c: f"find . -maxdepth 0 -exec sh -c {quote(c)} \\;",
    lambda c: f"python3 -c {quote('import os; os.system(' + repr(c) + ')')}",
    lambda c: f"git -c alias.x={quote('!' + c)} x",
    lambda c: f"A=b {c}",
    lambda c: f"LANG=C {c}",
    lambda c: f"time {c}",
    lambda c: f"ls # a remark\n{c}",
    lambda c: f"ls &>/dev/null; {c}",
    lambda c: f"echo 'it'\\''s'; {c}",
)


def _policy() -> ExecPolicy:
    made = ExecPolicy()
    made.add(ExecRule("deny", command="rm"))
    made.add(*(ExecRule("allow", command=name) for name in ("cat", "echo", "find", "git", "ls", "python3", "x")))
    made.add(ExecRule("allow", tool="shell"))
    return made


POLICY = _policy()


@settings(max_examples=cases(1200), deadline=None)
@given(base=st.sampled_from(BASES), wrappers=st.lists(st.sampled_from(WRAPPERS), max_size=5))
def test_wrapping_a_denied_command_never_allows_it(base: str, wrappers: list[Callable[[str], str]]) -> None:
    command = base
    for wrap in wrappers:
        command = wrap(command)
    for mode in AskForApproval:
        for sandboxed in (True, False):
            call = ExecCall("shell", {"command": command}, command=command, sandboxed=sandboxed)
            found = POLICY.decide(call, mode)
            assert found.verdict is not Verdict.ALLOW, f"{mode.value}: {command!r}: {found.reason}"


SOUP = (
    *(
        "rm x",
        "rm",
        " ",
        ";",
        "\n",
        "'",
        '"',
        "\\",
        "\\\n",
        "$(",
        ")",
        "`",
        "<<E\n",
        "\nE\n",
        "&",
        "|",
        "{ ",
        "; }",
        "(",
    ),
    *("$'", "#", "ls ", "echo ", "&>f ", "[[ ", " ]]", "||", "&&", "$x", "x=", "${", "}", "((", "))", "<", ">"),
)


@settings(max_examples=cases(1200), deadline=None)
@given(parts=st.lists(st.sampled_from(SOUP), min_size=1, max_size=14))
def test_any_text_gets_one_line_and_no_exception(parts: list[str]) -> None:
    command = "".join(parts)
    found = POLICY.decide(ExecCall("shell", {"command": command}, command=command), "on_request")
    assert found.reason
    assert "\n" not in found.reason
