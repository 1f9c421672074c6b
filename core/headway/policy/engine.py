"""``PolicyEngine``: the rules that every action must pass.

::

    policies = PolicyEngine()
    policies.deny_tool("no-shell", "shell")
    policies.deny_tool_param("no-wipe", "run", "cmd", "rm -rf")
    policies.register("hours", lambda call: "not at night" if is_night() else None)
    policies.check(call)  # [] or every reason against it

Rules come from three places: registered for all, registered for one session, and read from files. All of them see
every action, state writes too, and all their reasons are given. What cannot be evaluated is denied.
"""

from __future__ import annotations

import inspect
import uuid
from asyncio import CancelledError
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from headway.arguments import expect, plain
from headway.errors import InvalidInput, NotFound
from headway.jsonvalue import to_json
from headway.plan.checks import MISSING
from headway.policy.call import PolicyCall, refuse_malformed
from headway.policy.rules import (
    Answer,
    Approve,
    AskRule,
    AskTool,
    DenyParameter,
    DenyTool,
    Exec,
    Function,
    RequireState,
    Rule,
)
from headway.policy.values import MAX_KEY, MAX_PATTERN, Unreadable, shown

if TYPE_CHECKING:
    from headway.policy.exec.decision import Decision
    from headway.policy.exec.policy import ExecCall, ExecPolicy
    from headway.policy.files import RuleSet
    from headway.policy.pinned import Sources


class PolicyEngine:
    """Rules by name. Not thread-safe: for the event loop's thread.

    Names need not be unique; :meth:`unregister` removes all rules of a name. With ``session`` a rule is asked only
    about the calls of that session; ``NotFound`` if it is not open. Wrong arguments raise ``InvalidInput`` and change
    nothing.
    """

    def __init__(self) -> None:
        self._rules: tuple[Rule, ...] = ()
        self._sessions: dict[str, tuple[Rule, ...]] = {}
        self._files: RuleSet | None = None
        self._idle = True
        self._asks = False
        self._exec: ExecPolicy | None = None
        self.version = 0  # grows with each change of the rules

    @property
    def idle(self) -> bool:
        """True while there is no rule and no session, so that every call passes that names no session."""
        return self._idle

    @property
    def exec(self) -> ExecPolicy:
        """The exec policy: typed rules about commands and calls, and when somebody is asked."""
        if self._exec is None:
            from headway.policy.exec.policy import ExecPolicy

            self._exec = ExecPolicy(changed=self._settle)
        return self._exec

    def judges_commands(self, pinned: Sources = ()) -> bool:
        """Return whether the exec policy has anything to say; ``pinned`` are file policies of a job's start."""
        if self._exec is not None and not self._exec.idle:
            return True
        return bool(pinned) and any(isinstance(rule, Exec) for rule in self._pinned(pinned))

    def decide(self, call: ExecCall, pinned: Sources = (), approval: Any = None) -> Decision:
        """Return the exec policy's decision on ``call``, in the mode ``approval``; None: in the one that is set.

        ``pinned`` are file policies of the job's start.
        """
        rules = [rule.rule for rule in self._pinned(pinned) if isinstance(rule, Exec)] if pinned else []
        return self.exec.decide(call, approval, pinned=rules)

    def approves(self, call: PolicyCall, pinned: Sources = ()) -> bool:
        """Return whether a rule of a file approves ``call`` beforehand, with exactly these parameters.

        With ``pinned``, the file policies of the job's start, one must have been there then too.
        """
        refuse_malformed(call)
        sets = [self._files.rules if self._files is not None else ()]
        if pinned and pinned != self.sources:
            sets.append(self._pinned(pinned))
        return all(
            any(isinstance(rule, Approve) and rule.parameters is not MISSING and rule.approves(call) for rule in rules)
            for rules in sets
        )

    def check(self, call: PolicyCall, pinned: Sources = ()) -> list[str]:
        """Return every reason against ``call``, as ``policy 'name': why``; ``[]`` if it may run.

        A call that passes is counted by the rate limits of its tool. A call of a session that is not open is denied:
        its rules are gone, and with them the right to continue under them. ``pinned`` are file policies of the job's
        start: it must pass them too.
        """
        try:
            return [] if self._idle and call.session is None and not pinned else self._found(call, pinned)
        except (AttributeError, TypeError):
            refuse_malformed(call)
            raise

    def _found(self, call: PolicyCall, pinned: Sources) -> list[str]:
        found: list[str] = []
        for rule in self._rules:
            found += _reasons(rule, call)
        if call.session is not None:
            rules = self._sessions.get(call.session)
            if rules is None:
                found.append(f"policy session '{shown(call.session)}' is not open")
            else:
                for rule in rules:
                    found += _reasons(rule, call)
        if self._files is not None:
            for rule in self._files.rules:
                found += _reasons(rule, call)
        if pinned and pinned != self.sources:
            from headway.policy.pinned import pinned_rules

            for rule in pinned_rules(pinned):
                added = [text for text in _reasons(rule, call) if text not in found]
                found += [f"{text} (in force when the job started)" for text in added]
        if self._files is not None and not found:
            for window in self._files.windows:
                window.take(call)
        return found

    def asks(self, pinned: Sources = ()) -> bool:
        """Return whether a rule may put a call to a person; ``pinned`` are file policies of a job's start."""
        return self._asks or (bool(pinned) and any(isinstance(rule, AskRule) for rule in self._pinned(pinned)))

    def approval(self, call: PolicyCall, reasons: list[str], pinned: Sources = ()) -> list[str]:
        """Return why a person must approve ``call`` first; ``[]`` if nobody need.

        ``reasons`` are those that there are beside the policies. A rule that approves the call beforehand answers them
        all; with ``pinned``, the file policies of the job's start, it must have been there then too.
        """
        refuse_malformed(call)
        expect(reasons, list, "reasons")
        if not (self._asks or reasons or pinned):
            return []
        session = self._sessions.get(call.session, ()) if call.session is not None else ()
        files = self._files.rules if self._files is not None else ()
        found = _questions((*self._rules, *session, *files), call, reasons)
        if pinned and pinned != self.sources:
            found += [text for text in _questions(self._pinned(pinned), call, reasons) if text not in found]
        return found

    @staticmethod
    def _pinned(pinned: Sources) -> tuple[Rule, ...]:
        from headway.policy.pinned import pinned_rules

        return pinned_rules(pinned)

    def ask_tool(self, name: str, tool: str, *, session: str | None = None) -> None:
        """Have a person approve each call of ``tool`` before it runs."""
        self._add(AskTool(_named(name), frozenset({plain(tool, "a policy's tool")})), session)

    def deny_tool(self, name: str, tool: str, *, session: str | None = None) -> None:
        """Deny every call of ``tool``."""
        rule = DenyTool(_named(name), frozenset({plain(tool, "a policy's tool")}))
        self._add(rule, session)

    def deny_tool_param(self, name: str, tool: str, key: str, pattern: str, *, session: str | None = None) -> None:
        """Deny calls of ``tool`` whose parameter ``key`` contains the text ``pattern``.

        A value that is no string is searched for every text in it: strings and keys at any depth, numbers as JSON
        writes them. A call without the parameter passes.
        """
        plain(tool, "a policy's tool")
        plain(key, "a policy's parameter", MAX_KEY)
        plain(pattern, "a policy's pattern", MAX_PATTERN)
        self._add(DenyParameter(_named(name), tool, key, contains=pattern), session)

    def require_state(self, name: str, key: str, value: Any, *, session: str | None = None) -> None:
        """Deny every action while the state's ``key`` does not equal ``value`` (JSON; true is not 1, 1 is 1.0)."""
        rule = RequireState(_named(name), plain(key, "a policy's state key", MAX_KEY), to_json(value))
        self._add(rule, session)

    def register(self, name: str, policy: Callable[[PolicyCall], Answer], *, session: str | None = None) -> None:
        """Ask the function ``policy`` about each call: None or True lets it pass, False, a reason or several deny it.

        It runs on the event loop and must not block. What it raises denies the action; the text of the exception is
        not shown, for it may hold a value.
        """
        if not callable(policy):
            raise InvalidInput(f"a policy is a function that takes a PolicyCall, not {type(policy).__name__}")
        if inspect.iscoroutinefunction(policy) or inspect.iscoroutinefunction(type(policy).__call__):
            raise InvalidInput("a policy is a plain function: it is asked between two steps of the run and cannot wait")
        self._add(Function(_named(name), policy), session)

    def unregister(self, name: str, *, session: str | None = None) -> int:
        """Remove the rules of that name, in the session or those for all; return how many there were."""
        before = self._registered(session)
        after = tuple(rule for rule in before if rule.name != name)
        self._store(after, session)
        return len(before) - len(after)

    def names(self, *, session: str | None = None) -> list[str]:
        """Return the names of the rules registered for all, or in the session, in the order of registration."""
        return [rule.name for rule in self._registered(session)]

    def open_session(self) -> str:
        """Return the id of a new session without rules."""
        session = uuid.uuid4().hex[:12]
        self._sessions[session] = ()
        self._settle()
        return session

    def is_open(self, session: str) -> bool:
        """Return whether the session is open."""
        return _session(session) in self._sessions

    def close_session(self, session: str) -> bool:
        """Forget the session and its rules; return whether it was open. Calls that still name it are denied."""
        closed = self._sessions.pop(_session(session), None) is not None
        self._settle()
        return closed

    @property
    def file_rules(self) -> RuleSet | None:
        """The rules read from files that are in force; None if none were given."""
        return self._files

    @property
    def sources(self) -> Sources:
        """The names and texts of the files whose rules are in force."""
        return self._files.sources if self._files is not None else ()

    def use_files(self, rules: RuleSet | None) -> None:
        """Put the rules of ``rules`` in the place of the file rules there were, all together.

        A tool that was limited before keeps its count: writing a file anew does not give calls back.
        """
        if rules is not None:
            from headway.policy.files import RuleSet

            if not isinstance(rules, RuleSet):
                raise InvalidInput(f"use_files() takes what load_policies() returns, not {type(rules).__name__}")
            if self._files is not None and rules is not self._files:
                rules.continue_from(self._files)
        self._files = rules
        if rules is not None and rules.exec:
            self.exec.use_files(rules.exec)  # which settles
        elif self._exec is not None:
            self._exec.use_files(())
        else:
            self._settle()

    def __repr__(self) -> str:
        files = len(self._files.rules) if self._files is not None else 0
        return f"PolicyEngine({len(self._rules)} rules, {len(self._sessions)} sessions, {files} from files)"

    def _registered(self, session: str | None) -> tuple[Rule, ...]:
        if session is None:
            return self._rules
        rules = self._sessions.get(_session(session))
        if rules is None:
            raise NotFound(f"policy session '{shown(session)}' is not open")
        return rules

    def _add(self, rule: Rule, session: str | None) -> None:
        self._store((*self._registered(session), rule), session)

    def _store(self, rules: tuple[Rule, ...], session: str | None) -> None:
        # Tuples are replaced, not changed: a policy that registers another one while it is asked disturbs nothing.
        if session is None:
            self._rules = rules
        else:
            self._sessions[session] = rules
        self._settle()

    def _settle(self) -> None:
        self.version += 1
        files = self._files.rules if self._files is not None else ()
        judged = self._exec is not None and not self._exec.idle
        self._idle = not (self._rules or self._sessions or files or judged)
        rules = (self._rules, *self._sessions.values(), files)
        self._asks = any(isinstance(rule, AskRule) for some in rules for rule in some)


def _session(session: object) -> str:
    return plain(session, "a policy session's id")


def _named(name: str) -> str:
    name = plain(name, "a policy's name")
    if not name.isprintable():
        raise InvalidInput("a policy's name must be printable: it stands in reasons")
    return name


def _questions(rules: tuple[Rule, ...], call: PolicyCall, reasons: list[str]) -> list[str]:
    found = list(reasons)
    for rule in rules:
        if isinstance(rule, AskRule):
            try:
                text = rule.question(call)
            except Exception as error:  # noqa: BLE001 - whatever keeps it from answering asks
                text = f"policy '{rule.name}' cannot tell ({type(error).__name__})"
            if text is not None:
                found.append(text)
    if found and any(isinstance(rule, Approve) and rule.approves(call) for rule in rules):
        return []
    return found


def _reasons(rule: Rule, call: PolicyCall) -> list[str]:
    try:
        reasons = rule.check(call)
    except Unreadable as unreadable:
        reasons = (f"{unreadable}, so the action is denied",)
    except (Exception, SystemExit, CancelledError) as error:  # noqa: BLE001 - whatever keeps it from answering denies
        # A cancellation too: nothing waits here, so it is the policy's own and not one of the task that asks.
        reasons = (f"it failed with {type(error).__name__}, so the action is denied",)
    return [f"policy '{rule.name}': {reason}" for reason in reasons] if reasons else []
