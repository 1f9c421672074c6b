"""The forms in which a secret value comes back: as it is, escaped, quoted, in base64 and in hexadecimal digits."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from urllib.parse import quote, quote_plus

from headway.errors import one_line

LEAST = 6
"""The fewest characters of a secret: a shorter one could not be told from other text."""

LINE = 16
"""From so many characters on, a line of a secret of several lines is looked for by itself."""

_MARKUP = {ord(character): f"\\u{ord(character):04x}" for character in "<>&"}
"""The characters that many JSON writers, Go's among them, escape so that the text may stand in HTML."""


def forms(value: str) -> dict[str, bool]:
    """Return the texts that stand for ``value``; True for a piece of base64, which may go on by one on either side.

    They are: the value, its JSON and its ``repr`` without the quotes, percent-encodings, base64 (plain and for URLs, at
    each of the three offsets that it can have inside of a longer text), hexadecimal digits; one line, and long lines
    alone. Forms of fewer than :data:`LEAST` characters are left out.
    """
    found: dict[str, bool] = {}
    for text in _texts(value):
        for form in _escaped(text):
            found.setdefault(form, False)
    for text in _texts(value):
        data = text.encode("utf-8", "surrogatepass")
        for piece in _base64(data):
            found.setdefault(piece, True)
        for form in (data.hex(), data.hex().upper()):
            found.setdefault(form, False)
    return {form: piece for form, piece in found.items() if len(form) >= LEAST}


def _texts(value: str) -> Iterator[str]:
    yield value
    stripped = value.strip()
    if stripped != value:
        yield stripped
    lines = value.splitlines()
    if len(lines) > 1:
        yield "\n".join(lines)
        yield from (line for line in lines if len(line.strip()) >= LINE and not line.startswith("-----"))


def _escaped(text: str) -> Iterator[str]:
    yield text
    yield one_line(text, len(text) + 1)
    try:
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield json.dumps(text)[1:-1]
        yield json.dumps(text).replace("/", "\\/")[1:-1]
        for ascii_only in (True, False):
            written = json.dumps(text, ensure_ascii=ascii_only)[1:-1].translate(_MARKUP)
            for form in (written, written.replace("'", "\\u0027")):
                yield form
                yield json.dumps(form)[1:-1]
        for ascii_only in (True, False):  # JSON in a text of JSON
            yield json.dumps(json.dumps(text, ensure_ascii=ascii_only)[1:-1], ensure_ascii=ascii_only)[1:-1]
        yield quote(text, safe="")
        yield quote(text)
        yield quote_plus(text)
        yield _lower(quote(text, safe=""))
    except UnicodeEncodeError:  # lone surrogates, which no URL has
        pass
    yield repr(text)[1:-1]
    yield ascii(text)[1:-1]
    yield repr(text.encode("utf-8", "surrogatepass"))[2:-1]


def _lower(quoted: str) -> str:
    """Return a percent-encoded text with its hexadecimal digits in lower case."""
    parts = quoted.split("%")
    return parts[0] + "".join(f"%{part[:2].lower()}{part[2:]}" for part in parts[1:])


def _base64(data: bytes) -> Iterator[str]:
    """Yield the base64 digits that ``data`` alone decides, at each offset inside of a longer text."""
    for offset in range(3):
        bits = 8 * offset
        first = -(-bits // 6)
        last = (bits + 8 * len(data)) // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            yield encode(b"\0" * offset + data + b"\0\0").decode()[first:last]
