"""``ExecPolicy``: the rules of all layers, and the decision on a call.

::

    policy = ExecPolicy()
    policy.add(ExecRule("deny", command="git push"), layer="user")
    policy.decide(ExecCall("shell", {"command": "bash -c 'git push'"}, command="bash -c 'git push'"), "on_failure")

Within a layer the stricter rule wins: deny, ask, allow. The user's rule decides over the builtin ones, if it names as
much as they do; whatever else another layer says can only make it stricter. So no agent, and no project that brings
rules, allows what the user denies. A call is as its strictest command is.
"""

from __future__ import annotations

import posixpath
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from types import NoneType
from typing import Any, NamedTuple, get_args

import msgspec

from headway.arguments import expect, expect_one_of, shown_value
from headway.errors import InvalidInput, one_line
from headway.policy.exec import builtin
from headway.policy.exec.approvals import SessionApprovals, binding_of
from headway.policy.exec.asking import Approval, AskForApproval, Question, approval_of
from headway.policy.exec.command import Command, Reading, Unfit, basename
from headway.policy.exec.decision import Amendment, Decision, Verdict
from headway.policy.exec.prefix import Match, Prefix
from headway.policy.exec.reading import read, read_words
from headway.policy.exec.rule import Action, ExecRule, Layer
from headway.policy.exec.starters import INLINE, SHELLS, STARTERS
from headway.policy.risk import Tier
from headway.policy.values import shown

MAX_RULES = 10_000

_SUBCOMMANDS = frozenset(
    (
        "apt",
        "brew",
        "cargo",
        "docker",
        "gh",
        "git",
        "go",
        "kubectl",
        "make",
        "npm",
        "pip",
        "pnpm",
        "poetry",
        "uv",
        "yarn",
    )
)


class ExecCall(msgspec.Struct, frozen=True):
    """A call that is about to run, as the exec policy sees it.

    ``command`` is what it starts: a text for a shell, or words; None if it starts nothing, or nobody knows, as
    ``starts`` says. ``cwd`` is where it works, ``workspace`` the folder that paths of rules are relative to.
    ``sandboxed`` says that what it starts is confined. Approvals are looked for under ``scope`` and ``principal``.
    """

    tool: str
    parameters: Mapping[str, Any] = {}
    command: str | tuple[str, ...] | None = None
    starts: bool = True
    cwd: str = ""
    workspace: str = ""
    sandboxed: bool = False
    principal: str | None = None
    scope: str | None = None
    tier: Tier = Tier.FULL_ACCESS

    def __post_init__(self) -> None:
        for name, kinds in _KINDS.items():
            if not isinstance(value := getattr(self, name), kinds):
                raise InvalidInput(f"the {name} of a call cannot be {shown_value(value)}")
        if type(self.command) is tuple and not all(isinstance(word, str) for word in self.command):
            raise InvalidInput("the command of a call is a text, or words")

    def __repr__(self) -> str:
        # Without the values: a repr ends in logs.
        return f"ExecCall({self.tool!r})"


_KINDS: dict[str, type | tuple[type, ...]] = {
    "tool": str,
    "parameters": Mapping,
    "command": (str, tuple, NoneType),
    "starts": bool,
    "cwd": str,
    "workspace": str,
    "sandboxed": bool,
    "principal": (str, NoneType),
    "scope": (str, NoneType),
    "tier": Tier,
}


class _Found(NamedTuple):
    """A rule that applies to a command; None where none does."""

    action: Action | None = None
    rule: ExecRule | None = None
    command: Command | None = None


Rules = Sequence[tuple[Layer, ExecRule]]


class ExecPolicy:
    """Typed rules in three layers. ``builtin`` ones are there from the start, unless ``bare``. ``changed()`` is called
    after each change.

    Not thread-safe: for the event loop's thread. Raises ``InvalidInput`` in one line for wrong arguments.
    """

    def __init__(self, *, bare: bool = False, changed: Callable[[], object] | None = None) -> None:
        self._builtin: Rules = () if bare else tuple((Layer.BUILTIN, rule) for rule in builtin.RULES)
        self._rules: Rules = ()
        self._files: tuple[ExecRule, ...] = ()
        self.approvals = SessionApprovals()
        self.approval: Approval | None = None
        self.version = 0  # grows with each change of the rules
        self._changed = changed

    def _settle(self) -> None:
        self.version += 1
        if self._changed is not None:
            self._changed()

    @property
    def idle(self) -> bool:
        """True while nobody has given a rule or a mode: then every call passes, and nothing is read."""
        return self.approval is None and not self._rules and not self._files

    @property
    def rules(self) -> list[tuple[Layer, ExecRule]]:
        """All rules with their layers, those of the user first."""
        files = [(Layer.USER, rule) for rule in self._files]
        return sorted([*files, *self._rules, *self._builtin], key=lambda pair: -pair[0])

    def add(self, *rules: ExecRule, layer: Layer | str = Layer.USER) -> None:
        """Add rules to a layer: ``user`` or ``agent``."""
        where = layer_of(layer)
        for rule in rules:
            expect(rule, ExecRule, "a rule")
        if len(self._rules) + len(rules) > MAX_RULES:
            raise InvalidInput(f"an exec policy has at most {MAX_RULES:,} rules")
        self._rules = (*self._rules, *((where, rule) for rule in rules))
        self._settle()

    def remove(self, layer: Layer | str) -> int:
        """Remove the rules that were added to a layer; return how many there were."""
        where = layer_of(layer)
        kept = tuple(pair for pair in self._rules if pair[0] is not where)
        removed = len(self._rules) - len(kept)
        self._rules = kept
        self._settle()
        return removed

    def use_files(self, rules: Iterable[ExecRule]) -> None:
        """Put ``rules`` in the place of those that were read from files; they are of the user's layer."""
        self._files = tuple(rules)
        self._settle()

    def ask_for(self, approval: object) -> None:
        """Set the mode: see :func:`~headway.policy.exec.asking.approval_of`; None for that of no setting."""
        self.approval = None if approval is None else approval_of(approval)
        self._settle()

    def refuses(self, question: Question) -> bool:
        """Return whether the mode answers such a question with no, so that nobody is asked it."""
        expect_one_of(question, get_args(Question), "a question")
        return self.approval is not None and self.approval.refuses(question)

    def decide(
        self,
        call: ExecCall,
        approval: object = None,
        *,
        outside: bool = False,
        pinned: Iterable[ExecRule] = (),
    ) -> Decision:
        """Return the decision on ``call``.

        ``approval`` is the mode of asking, by default the one that was set, else ``on_failure``. ``outside``: the call
        has failed in the sandbox, and is to be repeated without one. ``pinned`` are rules of the user that held when
        the job began; they count too.
        """
        expect(call, ExecCall, "a call")
        mode = (self.approval or Approval()) if approval is None else approval_of(approval)
        files = dict.fromkeys((*self._files, *pinned))
        rules = [*((Layer.USER, rule) for rule in files), *self._rules, *self._builtin]
        return _Case(call, mode, rules, self.approvals, outside).decide()


class _Case:
    """One call and all that is said of it."""

    def __init__(
        self, call: ExecCall, mode: Approval, rules: Rules, approvals: SessionApprovals, outside: bool
    ) -> None:
        self.call = call
        self.mode = mode
        self.approvals = approvals
        self.outside = outside
        self.trusts = mode.mode not in (AskForApproval.ON_REQUEST, AskForApproval.REJECT)
        self.moves = False
        self.unclear: list[str] = []
        self.rules = [pair for pair in rules if self.concerns(pair[1])]

    def concerns(self, rule: ExecRule) -> bool:
        """Return whether a rule is about this call, whatever it runs."""
        call = self.call
        if rule.tool is not None and rule.tool != call.tool:
            return False
        if rule.workspace is not None and not _within(posixpath.normpath(call.cwd or call.workspace), rule.workspace):
            return False
        return rule.path is None or _reaches(call, rule)

    def decide(self) -> Decision:
        call = self.call
        if call.command is None:
            found = self.judge(None)
            if found.action is None and not call.starts:
                return Decision(Verdict.ALLOW, "no rule is about it, and it starts no program", tier=call.tier)
            return self.settle([found], Reading())
        try:
            reading = read(call.command) if isinstance(call.command, str) else read_words(call.command)
        except Unfit as unfit:
            return self.deny(str(unfit))
        self.moves = reading.moves
        return self.settle([self.judge(command) for command in reading.commands], reading)

    def settle(self, found: list[_Found], reading: Reading) -> Decision:
        worst = max(found, key=_strictness, default=_Found())
        if worst.action is Action.DENY:
            return self.deny(_because(worst), worst)
        if self.outside:
            return self.ask("sandbox_approval", "it is to be repeated outside of the sandbox", worst, reading)
        if worst.action is Action.ASK:
            return self.ask("rules", _because(worst), worst, reading)
        unclear = [*reading.unclear, *self.unclear]
        whole = self.whole() if unclear else None
        if whole is not None:
            return self.allow(_because(whole), whole)
        if unclear:
            return self.ask("rules", f"it cannot be told what it runs: {unclear[0]}", _Found(), reading, amend=False)
        counted = [one for one in found if one.command is None or not one.command.neutral]
        unmatched = next((one for one in counted if one.action is None), None)
        if unmatched is None and (counted or self.trusts):
            allowed = max(counted, key=_named, default=_Found())
            return self.allow(_because(allowed) if counted else "it starts no program", allowed)
        return self.unmatched(unmatched or next(iter(found), _Found()), reading)

    def unmatched(self, found: _Found, reading: Reading) -> Decision:
        """Return what the mode says of a command that no rule allows."""
        call, mode = self.call, self.mode.mode
        what = f"no rule allows {_program(found.command)}"
        if found.command is not None and found.command.void:
            what += f": {found.command.void}"
        if mode in (AskForApproval.NEVER, AskForApproval.ON_FAILURE) and call.sandboxed:
            return Decision(
                Verdict.ALLOW,
                f"{what}; it runs in the sandbox",
                command=str(found.command or ""),
                needs_sandbox=True,
                repeats_outside=mode is AskForApproval.ON_FAILURE,
                tier=call.tier,
            )
        wants_sandbox = mode in (AskForApproval.NEVER, AskForApproval.ON_FAILURE)
        if wants_sandbox or (not call.sandboxed and self.mode.refuses("sandbox_approval")):
            return self.ask("sandbox_approval", f"{what}, and there is no sandbox", found, reading)
        return self.ask("rules", what, found, reading)

    def allow(self, reason: str, found: _Found) -> Decision:
        rule = found.rule
        return Decision(
            Verdict.ALLOW,
            reason,
            _name(rule),
            rule.action if rule is not None else None,
            str(found.command or ""),
            tier=self.call.tier,
        )

    def deny(self, reason: str, found: _Found | None = None) -> Decision:
        rule = found.rule if found is not None else None
        command = str(found.command) if found is not None and found.command is not None else ""
        return Decision(Verdict.DENY, reason, _name(rule), rule.action if rule else None, command, tier=self.call.tier)

    def ask(self, question: Question, reason: str, found: _Found, reading: Reading, *, amend: bool = True) -> Decision:
        """Ask, unless it was approved for the session, or nobody may be asked."""
        call, rule = self.call, found.rule
        try:
            tool = f"{call.tool} (outside of the sandbox)" if self.outside else call.tool
            binding = binding_of(tool, call.parameters, call.cwd)
        except InvalidInput as error:
            return self.deny(error.message)
        if self.approvals.holds(binding, scope=call.scope, principal=call.principal):
            return Decision(Verdict.ALLOW, "it was approved for this session", _name(rule), tier=call.tier)
        if self.mode.refuses(question):
            return self.deny(f"{reason}; nobody is asked, as approval is {self.mode}", found)
        return Decision(
            Verdict.ASK,
            reason,
            _name(rule),
            rule.action if rule is not None else None,
            str(found.command or ""),
            question,
            amendments=self.amendments(found, reading) if amend and rule is None and not self.outside else (),
            tier=call.tier,
            binding=binding,
        )

    def amendments(self, found: _Found, reading: Reading) -> tuple[Amendment, ...]:
        """Return the rules to offer: for one clear command that runs nothing else, its first words."""
        counted = [command for command in reading.commands if not command.neutral]
        command = found.command
        if command is None or len(counted) != 1 or command.void or command.program.casefold() in _NEVER_OFFERED:
            return ()
        if any(names.fullmatch(command.program) for names, _, _ in INLINE):
            return ()
        words = [word.text for word in command.words[: 2 if command.program in _SUBCOMMANDS else 1]]
        if any(text is None or not text.isprintable() for text in words) or (words[-1:] and words[-1].startswith("-")):  # type: ignore[union-attr]
            return ()
        return (Amendment(self.call.tool, shlex.join([text for text in words if text is not None])),)

    # -- rules -------------------------------------------------------------------------------------------------------

    def whole(self) -> _Found | None:
        """Return the rule that allows exactly this text, if one does and no layer above says otherwise."""
        text = self.call.command
        if not isinstance(text, str):
            return None
        for layer, rule in self.rules:
            exact = rule.command_exact
            if layer is Layer.USER and rule.action is Action.ALLOW and exact and exact.strip() == text.strip():
                return _Found(rule.action, rule)
        return None

    def judge(self, command: Command | None) -> _Found:
        """Return the rule that decides on one command."""
        best: dict[Layer, ExecRule] = {}
        programs = _programs(command)
        for layer, rule in self.rules:
            if programs is not None and rule.command and prefix_of(rule.command).positional[0] not in programs:
                continue
            if (known := best.get(layer)) is not None and _rank(known) >= _rank(rule):
                continue
            if self.applies(layer, rule, command):
                best[layer] = rule
        user, agent, shipped = (best.get(layer) for layer in (Layer.USER, Layer.AGENT, Layer.BUILTIN))
        if user is not None and shipped is not None and user.specificity >= shipped.specificity:
            shipped = None
        rules = [rule for rule in (user, agent, shipped) if rule is not None]
        chosen = max(rules, key=lambda rule: rule.action.strictness, default=None)
        return _Found(chosen.action if chosen is not None else None, chosen, command)

    def applies(self, layer: Layer, rule: ExecRule, command: Command | None) -> bool:
        """Return whether a rule says something of a command. One that may, if a word is known, makes it unclear."""
        allows = rule.action is Action.ALLOW
        if (
            allows
            and layer is Layer.BUILTIN
            and not (self.trusts and command is not None and builtin.reads_only(command))
        ):
            return False
        if allows and rule.workspace is not None and self.moves:
            return False
        if rule.command is None and rule.command_exact is None:
            return True
        if command is None:
            return False
        if rule.command_exact is not None:
            return self.exact(rule, command)
        prefix = prefix_of(rule.command or "")
        if allows:
            return not command.void and (prefix.exactly(command) or _covered(prefix, command))
        match = prefix.found_in(command)
        if match is Match.MAYBE:
            text = f"it may be '{shown(rule.command or '')}', which {_name(rule)} says to {rule.action.value}"
            if text not in self.unclear:
                self.unclear.append(text)
        return match is Match.YES

    def exact(self, rule: ExecRule, command: Command) -> bool:
        wanted = exact_of(rule.command_exact or "")
        whole = self.call.command
        if isinstance(whole, str) and whole.strip() == (rule.command_exact or "").strip():
            return rule.action is not Action.ALLOW or not command.void
        given = [word.likely for word in command.words]
        if not wanted or len(given) != len(wanted):
            return False
        if rule.action is Action.ALLOW:
            return not command.void and Prefix.exactly(prefix_of(rule.command_exact or ""), command)
        return basename(given[0] or "").casefold() == basename(wanted[0]).casefold() and given[1:] == list(wanted[1:])


_NEVER_OFFERED = frozenset((*SHELLS, *STARTERS, "eval", "source", ".", "find", "awk", "sed"))


@lru_cache(maxsize=1024)
def prefix_of(source: str) -> Prefix:
    """Return the prefix of a rule."""
    return Prefix(source)


@lru_cache(maxsize=1024)
def exact_of(source: str) -> tuple[str, ...]:
    """Return the words of an exact rule that is one plain command; none if it is a whole text."""
    try:
        return Prefix(source).words
    except InvalidInput:
        return ()


def layer_of(value: Layer | str) -> Layer:
    """Return the layer that rules may be added to; ``InvalidInput`` for the builtin one and for what is none."""
    name = value.name.lower() if isinstance(value, Layer) else value
    return Layer[expect_one_of(name, ("user", "agent"), "a layer").upper()]


def _programs(command: Command | None) -> frozenset[str] | None:
    """Return the names of the programs that rules about a command can name; None if any can."""
    if command is None or command.words[0].text is None:
        return None
    outer = command.outer.program.casefold() if command.outer is not None else ""
    return frozenset((command.program.casefold(), outer))


def _covered(prefix: Prefix, command: Command) -> bool:
    """Return whether the rule names a starter together with what it starts, which this is."""
    outer = command.outer
    return outer is not None and 0 < command.offset < len(prefix.words) and prefix.exactly(outer)


def _rank(rule: ExecRule) -> tuple[int, tuple[int, int, int, int]]:
    return rule.action.strictness, rule.specificity


def _strictness(found: _Found) -> int:
    return -1 if found.action is None else found.action.strictness


def _named(found: _Found) -> bool:
    return found.rule is not None


def _name(rule: ExecRule | None) -> str | None:
    return None if rule is None else rule.name or f"'{rule.says()}'"


def _because(found: _Found) -> str:
    rule = found.rule
    if rule is None:
        return "it starts no program"
    done = {Action.DENY: "denies", Action.ASK: "asks for", Action.ALLOW: "allows"}[rule.action]
    return f"rule {_name(rule)} {done} {_program(found.command)}" + (f": {rule.reason}" if rule.reason else "")


def _program(command: Command | None) -> str:
    # Its name alone: reasons are kept in the log, and other words may be secrets.
    return f"'{one_line(command.program, 60)}'" if command is not None and command.program else "it"


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _reaches(call: ExecCall, rule: ExecRule) -> bool:
    """Return whether the call's parameter ``path`` is what the rule names, or lies in it."""
    given = call.parameters.get("path")
    if not isinstance(given, str) or not given or "\0" in given:
        return False
    root = posixpath.normpath(call.workspace or "/")
    path = posixpath.normpath(posixpath.join(call.cwd or root, given))
    wanted = posixpath.normpath(posixpath.join(root, rule.path or ""))
    if rule.action is Action.ALLOW:
        return _within(path, wanted)
    return _within(path.casefold(), wanted.casefold())
