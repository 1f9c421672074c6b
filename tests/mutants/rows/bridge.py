"""Faults in the bridge: pools, bodies, tokens."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

_TESTS = "tests/unit/bridge/"

ROWS = [
    Mutant(
        "those who are known take the places of strangers",
        "bridge/pools.py",
        "if len(self._strangers) >= bounds.strangers and not",
        "if len(self) >= bounds.strangers and not",
        (_TESTS + "test_pools.py",),
    ),
    Mutant(
        "a peer's place is never given back",
        "bridge/pools.py",
        "self._peers[member.peer] -= 1",
        "self._peers[member.peer] -= 0",
        (_TESTS + "test_pools.py",),
    ),
    Mutant(
        "who has few silent connections gives way to who has many",
        "bridge/pools.py",
        "greediest = peers.most_common(1)",
        "greediest = peers.most_common()[-1:]",
        (_TESTS + "test_pools.py",),
    ),
    Mutant(
        "the newest connection gives way first",
        "bridge/pools.py",
        "            for member in choice:",
        "            for member in reversed(list(choice)):",
        (_TESTS + "test_pools.py",),
    ),
    Mutant(
        "a connection that is being answered gives way",
        "bridge/pools.py",
        "if quiet and (member in",
        "if (member in",
        (_TESTS + "test_pools.py",),
    ),
    Mutant(
        "the bounds ask for more files than there are",
        "bridge/pools.py",
        "most = max(1, (files - _RESERVED) // 2)",
        "most = max(1, files)",
        (_TESTS + "test_pools.py",),
    ),
    Mutant(
        "a body overtakes those that wait for room",
        "bridge/bodies.py",
        "if not self._line and size <= self.left:",
        "if size <= self.left:",
        (_TESTS + "test_bodies.py",),
    ),
    Mutant(
        "room that came with a cancel is lost",
        "bridge/bodies.py",
        "            if self._leave_line(size, turn):\n                self.give_back(size)\n",
        "            self._leave_line(size, turn)\n",
        (_TESTS + "test_bodies.py",),
    ),
    Mutant(
        "who gives up waiting holds up those behind",
        "bridge/bodies.py",
        "            self._wanted -= size\n        self._next()\n        return False",
        "            self._wanted -= size\n        return False",
        (_TESTS + "test_bodies.py",),
    ),
    Mutant(
        "a body that grew large counts as a small one too",
        "bridge/bodies.py",
        "            self._large = size\n            self._give_small()\n",
        "            self._large = size\n",
        (_TESTS + "test_bodies.py",),
    ),
    Mutant(
        "large bodies are worked on together",
        "bridge/bodies.py",
        "if self._large and not self._working:",
        "if self._large and self._working:",
        (_TESTS + "test_bodies.py",),
    ),
    Mutant(
        "marks in strings count as values",
        "bridge/bodies.py",
        "return _marks(body) > MAX_VALUES and _marks_outside_strings(body) > MAX_VALUES",
        "return _marks(body) > MAX_VALUES",
        (_TESTS + "test_bodies.py",),
    ),
    Mutant(
        "of several Authorization headers the first one counts",
        "bridge/auth.py",
        "    if len(given) > 1:",
        "    if not given:",
        (_TESTS + "test_auth.py",),
    ),
    Mutant(
        "an old token opens until the next start",
        "bridge/auth.py",
        "if stamp is None or stamp != self._stamp:",
        "if not self._token:",
        (_TESTS + "test_auth.py",),
    ),
    Mutant(
        "a token in the query is overlooked if its name is written otherwise",
        "bridge/auth.py",
        'name.lower() == "access_token"',
        'name == "access_token"',
        (_TESTS + "test_auth.py",),
    ),
    Mutant(
        "whatever is sent to a public path needs no token",
        "bridge/auth.py",
        '(scope["method"] in ("GET", "HEAD") and scope["path"] in self.public)',
        'scope["path"] in self.public',
        (_TESTS + "test_auth.py",),
    ),
]
