"""What the redactor finds, and what it leaves alone."""

import base64
import json
import random
import re
import string
from urllib.parse import quote, quote_plus

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway.errors import InvalidInput
from headway.secrets import RedactedStream, Redactor, Secret
from headway.secrets.redactor import IN_MEMORY, TOO_DEEP

VALUE = 'p/ss+w"rd\\ü 42'


def redactor(**secrets: str) -> Redactor:
    made = Redactor()
    for name, value in secrets.items():
        made.add(name, Secret(value))
    return made


def encodings(value: str) -> dict[str, str]:
    raw = value.encode()
    return {
        "plain": value,
        "json": json.dumps(value),
        "json, utf-8": json.dumps(value, ensure_ascii=False),
        "json in json": json.dumps({"body": json.dumps({"token": value})}),
        "repr": repr(value),
        "ascii": ascii(value),
        "bytes": repr(raw),
        "url": quote(value, safe=""),
        "url, lower case": re.sub("%..", lambda m: m[0].lower(), quote(value, safe="")),
        "path": quote(value),
        "form": quote_plus(value),
        "base64": base64.b64encode(raw).decode(),
        "basic auth": base64.b64encode(b"user:" + raw).decode(),
        "base64 inside": base64.b64encode(b"xy" + raw + b"tail").decode(),
        "base64 for URLs": base64.urlsafe_b64encode(b"a" + raw).decode(),
        "hex": raw.hex(),
        "HEX": raw.hex().upper(),
    }


@pytest.mark.parametrize("form", encodings(VALUE))
@pytest.mark.parametrize("value", [VALUE, "abcDEF0123456789", "ünïcödé-pässwörd", "tab\tand\nline of twenty char"])
def test_every_encoding_is_found(form: str, value: str) -> None:
    known, text = redactor(db=value), encodings(value).get(form)
    if text is None:
        return
    cleaned = known.clean({"output": [f"before {text} after"], f"key {text}": 1})
    assert known.clean(cleaned) is cleaned  # nothing is left to find
    shown = msgspec.json.encode(cleaned).decode()
    assert "«secret:db»" in shown
    assert "before " in shown
    assert " after" in shown
    assert known.text(f"x{text}y") != f"x{text}y"


@given(st.text(st.characters(exclude_categories=("C", "Z")), min_size=8, max_size=40))
def test_no_value_survives_plain_or_in_json(value: str) -> None:
    known = redactor(s=value)
    shown = known.clean({"a": f"({value})", "b": json.dumps([value])})
    assert value not in shown["a"]
    assert json.dumps(value)[1:-1] not in shown["b"]


def test_what_holds_none_is_the_same_object() -> None:
    known = redactor(db=VALUE)
    for value in ({"a": [1, 2.5, None, True, "text"]}, "text", 7, None, [], {"deep": [[[{}]]]}):
        assert known.clean(value) is value
    assert known.encoded(b'{"a":1}') == b'{"a":1}'
    text = "nothing here"
    assert known.text(text) is text
    assert Redactor().clean({"a": VALUE}) == {"a": VALUE}
    assert not Redactor().active


def test_numbers_are_replaced_where_they_are_output() -> None:
    known = redactor(pin="83650172")
    assert known.clean({"a": 83650172}, numbers=True) == {"a": "«secret:pin»"}
    assert known.clean({"a": 83650172}) == {"a": 83650172}  # a fold needs its numbers


def test_keys_and_overlapping_secrets() -> None:
    known = redactor(a="abcdefgh", b="efghijkl")
    assert known.clean({"abcdefgh": {"x efghijkl": 1}}) == {"«secret:a»": {"x «secret:b»": 1}}
    shown = known.text("<abcdefghijkl>")
    assert shown.startswith("<«secret:")
    assert shown.endswith("»>")
    assert "ijkl" not in shown


def test_the_beginning_of_a_cut_value_goes_too() -> None:
    known = redactor(db="abcdefghijklmnop")
    assert known.text("failed: abcdefghi…") == "failed: …"
    assert known.clean({"error": "failed: abcdefghi…"}) == {"error": "failed: …"}
    assert known.text("failed: xyz…") == "failed: xyz…"


def test_lines_of_a_long_secret_are_found_alone() -> None:
    body = "".join(random.Random(4).choices(string.ascii_letters, k=64))
    key = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    known = redactor(key=key)
    assert known.text(f"bad line: {body}") == "bad line: «secret:key»"
    assert known.text("-----BEGIN PRIVATE KEY-----") == "-----BEGIN PRIVATE KEY-----"


def test_a_short_value_is_refused() -> None:
    with pytest.raises(InvalidInput, match="secret 'pin' is too short"):
        Redactor().add("pin", Secret("12345"))


def test_earlier_values_of_a_secret_are_still_found() -> None:
    known = redactor(db="first-value")
    known.add("db", Secret("second-value"))
    assert known.text("first-value second-value") == "«secret:db» «secret:db»"
    assert known.names_in({"a": "second-value"}) == ["db"]
    assert known.names_in({"a": "none"}) == []


def test_secrets_in_memory_have_no_name_and_the_newest_are_looked_for() -> None:
    known = Redactor()
    for number in range(IN_MEMORY + 1):
        known.add(f"~{number:032x}", Secret(f"value-{number:06}"))
    assert known.text(f"value-{IN_MEMORY:06}") == "«secret»"
    assert known.text("value-000000") == "value-000000"
    assert known.text("value-000001") == "«secret»"


def test_what_is_too_deep_to_take_apart_goes_whole() -> None:
    known = redactor(db="abcdefgh")
    value: object = "abcdefgh"
    for _ in range(900):
        value = [value]
    cleaned = known.clean(value)
    while isinstance(cleaned, list):  # some Pythons go so deep
        [cleaned] = cleaned
    assert cleaned in (TOO_DEEP, "«secret:db»")


def test_many_secrets_are_found_among_each_other() -> None:
    rng = random.Random(7)
    values = {f"s{i}": "".join(rng.choices(string.ascii_letters + string.digits, k=20)) for i in range(120)}
    known = redactor(**values)
    for name, value in values.items():
        assert known.text(f"a {value} b") == f"a «secret:{name}» b"


@pytest.mark.parametrize("size", [1, 2, 3, 5, 8, 100])
def test_a_stream_finds_what_is_split(size: int) -> None:
    known = redactor(db="abcdefgh-secret")
    text = "start abcdefgh-secret, abcdefgh-secre, abc" * 3
    stream = RedactedStream(known)
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    shown = [stream.feed(piece) for piece in pieces]
    assert not [piece for piece in shown if "secret," in piece]
    whole = "".join(shown) + stream.rest()
    assert whole == text.replace("abcdefgh-secret", "«secret:db»")
    assert stream.rest() == ""
    plain = RedactedStream(Redactor())
    assert plain.feed("abc") == "abc"


@pytest.mark.parametrize("quote", ["'", "\\u0027"])
def test_json_that_is_safe_in_html_is_found(quote: str) -> None:
    """Go's encoding/json, and others, write some characters as escapes that need none."""
    redactor = Redactor()
    redactor.add("A", Secret("p@ss/<w>&'ord"))
    written = f"p@ss/\\u003cw\\u003e\\u0026{quote}ord"

    assert redactor.text(f'{{"token": "{written}"}}') == '{"token": "«secret:A»"}'
    assert redactor.clean({"body": json.dumps(f'"{written}"')}) == {"body": '"\\"«secret:A»\\""'}
