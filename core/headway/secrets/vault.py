"""The vault: the secrets that may be named here, and the only way from a name to a value."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from headway.errors import InvalidInput, SecretUnavailable
from headway.secrets.marks import Marks
from headway.secrets.redactor import Redactor
from headway.secrets.reference import held, is_held, is_name
from headway.secrets.secret import Secret, keyed_digest

if TYPE_CHECKING:
    from headway.secrets.sources import Source

GONE = "the Secret in memory that this plan was given is gone: it was another process's, or nobody kept it"


class Declared(NamedTuple):
    """A declared secret: where it comes from, which tools get it, and whether for remote callers too."""

    name: str
    source: Source
    tools: frozenset[str]
    remote: bool = False


class Vault:
    """Declared secrets by name. Its ``redactor`` looks for what was handed out, and for all after :meth:`learn`.

    ``declared`` are :class:`Declared`. Raises :class:`InvalidInput` for a name that cannot be one, or that is there
    twice.
    """

    def __init__(self, declared: Iterable[Declared] = (), redactor: Redactor | None = None) -> None:
        self.redactor = redactor if redactor is not None else Redactor()
        self._told_to = [self.redactor]
        self._known: dict[str, Secret] = {}
        self._declared: dict[str, Declared] = {}
        for one in declared:
            self.declare(one.name, one.source, tools=one.tools, remote=one.remote)

    def __repr__(self) -> str:
        return f"Vault({', '.join(self._declared)})"

    @property
    def names(self) -> list[str]:
        """The names of the declared secrets, sorted."""
        return sorted(self._declared)

    def declare(self, name: str, source: Source | Secret, *, tools: Iterable[str], remote: bool = False) -> None:
        """Let ``tools`` get the secret that ``source`` has, or is, as ``secret://name``; ``remote`` callers too."""
        from headway.secrets.sources import MemorySource

        if not is_name(name):
            raise InvalidInput("the name of a secret has letters, digits, '_', '.' and '-' only, at most 128")
        if name in self._declared:
            raise InvalidInput(f"secret '{name}' is declared twice")
        where = MemorySource(source) if isinstance(source, Secret) else source
        self._declared[name] = Declared(name, where, frozenset(tools), remote)

    def tell(self, redactor: Redactor) -> None:
        """Have a log's redactor look for all that this vault knows, now and later."""
        if any(redactor is known for known in self._told_to):
            return
        self._told_to.append(redactor)
        for name, secret in self._known.items():
            redactor.add(name, secret)

    def learn(self, *, immediate: bool = False) -> list[str]:
        """Read every declared secret, for the redactor; return a line about each that cannot be read now.

        May wait for a keyring: call it in a thread, or have only those read whose sources are ``immediate``.
        """
        problems = []
        for one in self._declared.values():
            if immediate and not one.source.immediate:
                continue
            try:
                self._read(one)
            except SecretUnavailable as error:
                problems.append(error.message)
        return problems

    def problem(self, name: str, tool: str, *, remote: bool = False) -> str | None:
        """Return why ``tool`` does not get the secret ``name``, None if it does; nothing is read.

        A remote caller is not told which names there are.
        """
        if is_held(name):
            return None if held(name) is not None and not remote else GONE if not remote else _hidden(name, tool)
        one = self._declared.get(name)
        if remote and (one is None or not one.remote or tool not in one.tools):
            return _hidden(name, tool)
        if one is None:
            return f"secret '{name}' is not declared: add [secrets.{name}] to headway.toml"
        if tool not in one.tools:
            return f"tool '{tool}' may not have secret '{name}': add it to tools of [secrets.{name}]"
        return None

    def resolve(self, name: str, tool: str, *, remote: bool = False) -> str:
        """Return the value of the secret ``name`` for a call of ``tool``.

        Raises :class:`SecretUnavailable`, which names the secret and where it was looked for.
        """
        problem = self.problem(name, tool, remote=remote)
        if problem is not None:
            raise SecretUnavailable(problem)
        return self._value(name).reveal()

    def must_declare(self, name: str) -> None:
        """Raise :class:`InvalidInput` if no secret of that name is declared."""
        if name not in self._declared:
            raise InvalidInput(f"secret '{name}' is not declared: add [secrets.{name}] to headway.toml")

    def own(self, name: str) -> str:
        """Return the value of the declared secret ``name`` for Headway itself, where the configuration says so.

        Raises :class:`SecretUnavailable`.
        """
        one = self._declared.get(name)
        if one is None:
            raise SecretUnavailable(f"secret '{name}' is not declared")
        return self._read(one).reveal()

    def put(self, marks: Marks, parameters: dict[str, Any], tool: str, *, remote: bool = False) -> dict[str, Any]:
        """Put values in place of the references in a call's parameters, which are the call's own; return them."""
        return marks.put(parameters, lambda name: self.resolve(name, tool, remote=remote))

    def keyed(self, marks: Marks, parameters: dict[str, Any]) -> dict[str, Any]:
        """Return parameters by which equal calls are known: a keyed hash stands where a value will.

        ``parameters`` is changed. A secret that cannot be read stays a reference.
        """

        def digest(name: str) -> Any:
            try:
                return {"secret": keyed_digest(self._value(name).reveal().encode("utf-8", "surrogatepass"))}
            except SecretUnavailable:
                return {"reference": name}

        return marks.put(parameters, digest)

    def _value(self, name: str) -> Secret:
        if not is_held(name):
            one = self._declared.get(name)
            if one is None:
                raise SecretUnavailable(f"secret '{name}' is not declared")
            return self._read(one)
        secret = held(name)
        if secret is None:
            raise SecretUnavailable(GONE)
        self._told(name, secret)
        return secret

    def _read(self, one: Declared) -> Secret:
        try:
            secret = one.source.read()
        except SecretUnavailable as error:
            raise SecretUnavailable(f"secret '{one.name}': {error.message}") from None
        self._told(one.name, secret)
        return secret

    def _told(self, name: str, secret: Secret) -> None:
        """Have the redactor look for a value; one that it cannot look for is handed to nobody."""
        try:
            for redactor in self._told_to:
                redactor.add(name, secret)
        except InvalidInput as error:
            raise SecretUnavailable(error.message) from None
        if not is_held(name):
            self._known[name] = secret


def _hidden(name: str, tool: str) -> str:
    return f"secret '{name}' is not there for tool '{tool}' and a remote caller"
