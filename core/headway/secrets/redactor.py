"""The redactor: the one place where secret values are taken out of what is written, sent and shown.

Values are looked for in encoded bytes first, all of them in one search by RE2; only what holds one is taken apart. A
value becomes ``«secret:NAME»``, one in memory ``«secret»``.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import msgspec

from headway.errors import InvalidInput
from headway.secrets.reference import is_held
from headway.secrets.secret import Secret

IN_MEMORY = 128
"""The secrets in memory that are looked for: those that were handed to tools last."""

CUT = "…"
"""The end of a text that was cut: the beginning of a value may stand before it."""

TOO_DEEP = "«secret: nested too deep»"
"""The text that stands for a whole value that holds a secret and is nested too deep to be taken apart."""

_GROUP = 512  # forms in one expression: with many more RE2 leaves its fast way
_TELLING = 3  # characters of a value's beginning that are worth hiding
_MEMORY = 64 * 2**20
_BASE64 = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")


def mark_of(name: str) -> str:
    """Return what stands for the value of the secret of that name."""
    return "«secret»" if is_held(name) else f"«secret:{name}»"


class Redactor:
    """Knows secret values and takes them out of data. Without any it costs its callers a look at :attr:`active`.

    For one thread at a time, except that :meth:`add` may come from any.
    """

    def __init__(self) -> None:
        self.active = False
        """True once there is a value to look for."""
        self._declared: dict[tuple[str, str], dict[str, bool]] = {}
        self._in_memory: OrderedDict[tuple[str, str], dict[str, bool]] = OrderedDict()
        self._searches: list[Any] | None = None
        self._forms: dict[str, tuple[str, bool]] = {}

    def __repr__(self) -> str:
        return f"Redactor({len(self._declared) + len(self._in_memory)} values)"

    def add(self, name: str, secret: Secret) -> None:
        """Look for this value of the secret ``name`` from now on, beside those that it had before.

        Raises :class:`InvalidInput` for a value that is too short to be told from other text.
        """
        from headway.secrets.encodings import LEAST, forms

        value = secret.reveal()
        if len(value.strip()) < LEAST:
            raise InvalidInput(f"secret '{name}' is too short: it needs {LEAST} characters to be kept out of the log")
        known = self._in_memory if is_held(name) else self._declared
        if (name, value) in known:
            if is_held(name):
                self._in_memory.move_to_end((name, value))
            return
        known[name, value] = forms(value)
        if len(self._in_memory) > IN_MEMORY:
            self._in_memory.popitem(last=False)
        self._searches = None
        self.active = True

    # -- looking -----------------------------------------------------------------------------------------------------

    def finds(self, data: bytes) -> bool:
        """Return whether there may be a value in ``data``, JSON or other text; a cut text counts as one."""
        searches = self._searches if self._searches is not None else self._compiled()
        return any(expression.search(data) is not None for expression in searches)

    def names_in(self, value: Any) -> list[str]:
        """Return the names of the secrets whose values are in a JSON value; nothing of cut texts."""
        if not self.active or not self.finds(encoded_text(value)):
            return []
        names: dict[str, None] = {}
        for text in _texts(value):
            names.update(dict.fromkeys(name for _, _, name in self._places(text)))
        return list(names)

    def _compiled(self) -> list[Any]:
        import re2  # type: ignore[import-untyped]

        options = re2.Options()
        options.log_errors = False
        options.max_mem = _MEMORY
        options.encoding = re2.Options.Encoding.LATIN1
        texts: dict[str, tuple[str, bool]] = {}
        for (name, _), made in [*self._declared.items(), *self._in_memory.items()]:
            for form, piece in made.items():
                texts.setdefault(form, (name, piece))
        self._forms = texts
        patterns = dict.fromkeys([CUT.encode(), b"\\\\u2026"])
        for form in texts:
            raw = form.encode("utf-8", "surrogatepass")
            patterns[re2.escape(raw)] = None
            patterns[re2.escape(encoded_text(form)[1:-1])] = None
        listed = list(patterns)
        groups = [listed[start : start + _GROUP] for start in range(0, len(listed), _GROUP)]
        self._searches = found = [re2.compile(b"|".join(group), options) for group in groups]
        return found

    # -- replacing ---------------------------------------------------------------------------------------------------

    def clean(self, value: Any, *, numbers: bool = False) -> Any:
        """Return a JSON value without secret values, in keys too; the same object where there was none.

        With ``numbers``, a number whose digits are a secret becomes a text.
        """
        if not self.active or value is None or value is True or value is False:
            return value
        if not self.finds(encoded_text(value)):
            return value
        try:
            return self._cleaned(value, numbers)
        except RecursionError:
            return TOO_DEEP

    def text(self, text: str) -> str:
        """Return a text without secret values, nor the beginning of one where it was cut."""
        if not self.active or not self.finds(text.encode("utf-8", "surrogatepass")):
            return text
        return self._cleaned_text(text)

    def encoded(self, data: bytes) -> bytes:
        """Return JSON without secret values; the same object where there was none."""
        if not self.active or not self.finds(data):
            return data
        value = msgspec.json.decode(data)
        cleaned = self.clean(value)
        return data if cleaned is value else msgspec.json.encode(cleaned)

    def held_back(self, text: str) -> int:
        """Return how many characters at the end of ``text`` may be the beginning of a value."""
        if not self.active:
            return 0
        if self._searches is None:
            self._compiled()
        most = 0
        for form in self._forms:
            end = text[1 - len(form) :]
            start = end.find(form[0])
            while start >= 0:
                if form.startswith(end[start:]):
                    most = max(most, len(end) - start)
                    break
                start = end.find(form[0], start + 1)
        return most

    def _cleaned(self, value: Any, numbers: bool) -> Any:
        if isinstance(value, str):
            return self._cleaned_text(value)
        if isinstance(value, dict):
            made = {self._cleaned_key(key): self._cleaned(item, numbers) for key, item in value.items()}
            same = made.keys() == value.keys() and all(made[key] is item for key, item in value.items())
            return value if same else made
        if isinstance(value, list | tuple):
            items = [self._cleaned(item, numbers) for item in value]
            return items if any(new is not old for new, old in zip(items, value, strict=True)) else value
        if numbers and type(value) in (int, float):
            text = str(value)
            cleaned = self._cleaned_text(text)
            return value if cleaned == text else cleaned
        return value

    def _cleaned_key(self, key: Any) -> Any:
        return self._cleaned_text(key) if isinstance(key, str) else key

    def _cleaned_text(self, text: str) -> str:
        cut = 0
        if text.endswith(CUT):
            cut = self.held_back(text[: -len(CUT)])
        places = self._places(text)
        if cut >= _TELLING:
            places.append((len(text) - len(CUT) - cut, len(text), ""))
        if not places:
            return text
        made: list[str] = []
        at = 0
        for start, end, name in _merged(places):
            made += (text[at:start], mark_of(name) if name else CUT)
            at = end
        return "".join([*made, text[at:]])

    def _places(self, text: str) -> list[tuple[int, int, str]]:
        """Return the places of values in ``text``: start, end and name."""
        if self._searches is None:
            self._compiled()
        found: list[tuple[int, int, str]] = []
        for form, (name, piece) in self._forms.items():
            start = text.find(form)
            while start >= 0:
                end = start + len(form)
                if piece:
                    found.append((*_with_edges(text, start, end), name))
                else:
                    found.append((start, end, name))
                start = text.find(form, end)
        return found


def _with_edges(text: str, start: int, end: int) -> tuple[int, int]:
    """Return a piece of base64 with the digits beside it, which hold bits of its first and last bytes."""
    if start > 0 and text[start - 1] in _BASE64:
        start -= 1
    if end < len(text) and text[end] in _BASE64:
        end += 1
    return start, end


def _merged(places: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Return the places in order, those that overlap made one under the name of the longest."""
    merged: list[tuple[int, int, str]] = []
    longest = 0
    for start, end, name in sorted(places):
        if merged and start < merged[-1][1]:
            first, last, known = merged[-1]
            if end - start > longest and name:
                known, longest = name, end - start
            merged[-1] = (first, max(last, end), known or name)
        else:
            merged.append((start, end, name))
            longest = end - start
    return merged


def encoded_text(value: Any) -> bytes:
    """Return a value as JSON, or as its ``repr`` where it is none: in one of the two, secrets are looked for."""
    try:
        return msgspec.json.encode(value)
    except (TypeError, ValueError, RecursionError, msgspec.MsgspecError):
        return repr(value).encode("utf-8", "surrogatepass")


def _texts(value: Any) -> list[str]:
    """Return every text in a JSON value, keys among them."""
    found: list[str] = []
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, str):
            found.append(item)
        elif isinstance(item, dict):
            stack += [*item.keys(), *item.values()]
        elif isinstance(item, list | tuple):
            stack += item
    return found
