"""Faults in the client."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

TOKEN = "tests/unit/test_token.py"

ROWS = [
    Mutant(
        "a token that others may read is taken",
        "client/token.py",
        "if mode & 0o077:",
        "if mode & 0o007:",
        (TOKEN,),
    ),
    Mutant(
        "a token's file may be a link",
        "client/token.py",
        "os.O_RDONLY | os.O_NOFOLLOW",
        "os.O_RDONLY",
        (TOKEN,),
    ),
    Mutant(
        "a token goes over the network in clear",
        "client/agent.py",
        'if token is not None and parts.scheme == "http" and not is_loopback(parts.hostname):',
        "if False:",
        ("tests/unit/cli/test_sending.py",),
    ),
    Mutant(
        "a header keeps the token of before",
        "client/token.py",
        "        self._replace(self.header_path, HEADER + token)\n        return token\n\n    def _with",
        "        return token\n\n    def _with",
        (TOKEN,),
    ),
    Mutant(
        "a token takes the place of one that was made meanwhile",
        "client/token.py",
        "os.link(made, self.path)  #",
        "os.replace(made, self.path)  #",
        (TOKEN,),
    ),
    Mutant(
        "a file that holds no token opens",
        "client/token.py",
        "if not (SHORTEST <= len(text) <= LONGEST and _TOKEN.fullmatch(text)):",
        "if not text:",
        (TOKEN,),
    ),
]
