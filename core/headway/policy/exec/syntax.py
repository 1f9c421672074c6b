"""Syntax: the simple commands of a shell text, by the grammar of tree-sitter-bash.

The text may be read by bash or by a plain ``sh``, and a grammar is no shell. So every byte must be accounted for, and
what the three might take differently is noted as unclear: a node of a kind that is not known here, a gap that is no
blank, a here-document that may end elsewhere.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING

from headway.policy.exec.accounting import account, below, gaps
from headway.policy.exec.command import Unfit
from headway.policy.exec.words import UNKNOWN, Pieces, Word, ansi_c, in_double_quotes, joined, literal, names, unquoted

if TYPE_CHECKING:
    from tree_sitter import Language, Node

MAX_COMMANDS = 1000
"""The most commands in one text."""

MAX_DEPTH = 60
"""How deep statements may be nested."""

_GROUPS = names(
    "program pipeline subshell do_group if_statement elif_clause else_clause while_statement negated_command"
)
_WORDS = names(
    "word number raw_string string ansi_c_string translated_string concatenation simple_expansion"
    " expansion command_substitution process_substitution arithmetic_expansion brace_expression"
    " extglob_pattern regex variable_name special_variable_name file_descriptor test_operator"
)
_PLAIN = names("word number extglob_pattern regex variable_name special_variable_name test_operator")
_OPERATORS = names("&& || ; | & ( ) < > <= >= =~ ;; |&")
_EXPANSION = re.compile(r"\$\{[#!]?(\w+|[@*#?$!-])(\[[@*\w]+\])?([:%#/^,+=?~-][^'\"\\{}`]*)?\}", re.DOTALL)
_SUBSTITUTES = re.compile(r"\$\(|[<>]\(|`")
_COMPARES = names("-eq -ne -lt -le -gt -ge")
_LENGTH = re.compile(r"\$\{#\w+(\[[@*]\])?\}")
_NAME = re.compile(r"\b[A-Za-z_]\w*|\$\{?[\d@*]")
_SUBSTITUTIONS = names("command_substitution process_substitution")
_NOWHERE = re.compile(r"/dev/(null|stdout|stderr|tty|fd/\d+)")
_ARITHMETIC = re.compile(r"[\w+\-*/%()<>=!&|^~?:,\s${}\[\]#@.]*")


@dataclass(slots=True, eq=False)
class Simple:
    """One simple command: its words, the variables set for it, the files it writes, and what it reads from here."""

    words: list[Word] = field(default_factory=list)
    assigns: list[tuple[str, Word]] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    stdin: list[Word] = field(default_factory=list)
    exports: bool = False


@dataclass(slots=True, eq=False)
class Syntax:
    """The simple commands of a text in order, the texts in it that are to be read by themselves, and what is unclear.

    ``functions`` are those that certainly exist from a command on, by its number. ``loose`` are assignments that stand
    alone, ``names`` variables that are set otherwise, ``evaluated`` those whose values are read as arithmetic.
    ``other`` is the text as a shell without ``&>`` takes it, if it has one.
    """

    commands: list[Simple] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    loose: list[tuple[str, Word]] = field(default_factory=list)
    functions: dict[str, int] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    documents: list[str] = field(default_factory=list)
    evaluated: list[str] = field(default_factory=list)
    other: str | None = None


@cache
def _language() -> Language:
    import tree_sitter_bash
    from tree_sitter import Language

    return Language(tree_sitter_bash.language())


def parse(text: str) -> Syntax:
    """Return the syntax of ``text``, which must have passed the bounds of :mod:`.reading`."""
    from tree_sitter import Parser

    data = text.encode()
    root = Parser(_language()).parse(data).root_node  # one of its own: several threads may ask
    walk = _Walk(data)
    if root.has_error:
        walk.note("it is not a shell command that can be parsed")
    walk.statement(root, 0)
    account(root, data, walk.note)
    gaps(root, data, walk.note)
    found = walk.found
    if walk.ampersands:
        pieces, last = [], 0
        for at in sorted(walk.ampersands):
            pieces += [data[last : at + 1], b" "]
            last = at + 1
        found.other = b"".join([*pieces, data[last:]]).decode()
    return found


class _Walk:
    """Goes through the tree of one text."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.found = Syntax()
        self.ampersands: set[int] = set()
        self.values: dict[str, str | None] = {}

    def note(self, text: str) -> None:
        if text not in self.found.unclear:
            self.found.unclear.append(text)

    def source(self, node: Node) -> str:
        return self.data[node.start_byte : node.end_byte].decode(errors="replace")

    # -- statements --------------------------------------------------------------------------------------------------

    def statement(self, node: Node, depth: int) -> Simple | None:
        """Take one statement; return the simple command that words behind its redirections belong to."""
        if depth > MAX_DEPTH:
            self.note("it is nested too deep")
            return None
        kind = node.type
        if kind == "command":
            return self.command(node, depth)
        if kind == "list":
            return self.chain(node, depth)
        if kind in _GROUPS or kind == "compound_statement":
            if node.children and node.children[0].type == "((":
                self.note("((…)) is arithmetic to one shell and a command to another")
            return self.group(node, depth, kind in ("pipeline", "negated_command", "program"))
        if kind == "redirected_statement":
            self.redirected(node, depth)
        elif kind in ("variable_assignment", "variable_assignments"):
            for item in [node] if kind == "variable_assignment" else node.named_children:
                self.found.loose.append(self.assignment(item, depth, keep=True))
        elif kind in ("declaration_command", "unset_command"):
            self.declaration(node, depth)
        elif kind == "test_command":
            self.test(node, depth)
        elif kind == "for_statement":
            self.loop(node, depth)
        elif kind == "case_statement":
            self.cases(node, depth)
        elif kind == "function_definition":
            self.function(node, depth)
        elif kind == "comment":
            before = self.data[node.start_byte - 1 : node.start_byte]
            if before not in (b"", b" ", b"\t", b"\n", b";", b"&", b"|", b"(", b")"):
                self.note("a remark that may be none")
        elif kind in _WORDS:
            self.word(node, depth)
        else:
            self.note("a construct that is not known here" if kind != "ERROR" else "it cannot be parsed")
            self.inside(node, depth)
        return None

    def group(self, node: Node, depth: int, last_counts: bool) -> Simple | None:
        last = None
        for child in node.named_children:
            last = self.statement(child, depth + 1)
        return last if last_counts else None

    def chain(self, node: Node, depth: int) -> Simple | None:
        """Take ``a && b && c``, which is nested to the left, without going deeper."""
        parts: list[Node] = []
        while node.type == "list":
            named = node.named_children
            parts += reversed(named[1:])
            if not named:
                return None
            node = named[0]
        last = None
        for part in (node, *reversed(parts)):
            last = self.statement(part, depth + 1)
        return last

    def command(self, node: Node, depth: int) -> Simple:
        simple = Simple()
        end = -1
        for child in node.named_children:
            kind = child.type
            if kind == "variable_assignment":
                simple.assigns.append(self.assignment(child, depth))
            elif kind == "file_redirect":
                self.redirect(child, simple, depth)
            elif kind == "herestring_redirect":
                simple.stdin += [self.word(part, depth) for part in child.named_children]
            elif kind == "command_name" or kind in _WORDS:
                self.apart(end, child.start_byte)
                inner = child.named_children[0] if kind == "command_name" and child.named_children else child
                simple.words += self.split(self.word(inner, depth))
            else:
                self.note("a construct that is not known here")
                self.inside(child, depth)
            end = child.end_byte
        self.add(simple)
        return simple

    def add(self, simple: Simple) -> None:
        self.found.commands.append(simple)
        if len(self.found.commands) > MAX_COMMANDS:
            raise Unfit("the command runs too many others")

    def apart(self, end: int, start: int) -> None:
        """Note words of one command that a shell does not take for that: joined, or on two lines."""
        gap = self.data[end:start] if end >= 0 else b" "
        if not gap or b"\n" in gap.replace(b"\\\n", b""):
            self.note("words that are not apart, or too far apart")

    def split(self, word: Word) -> list[Word]:
        """Return the words that a word comes to, if its variables have what was assigned."""
        if word.text is None and word.splits and word.guess is not None:
            parts = word.guess.split()
            if len(parts) != 1:
                return [word._replace(guess=part) for part in parts] or [word]
        return [word]

    def redirected(self, node: Node, depth: int) -> None:
        body = node.child_by_field_name("body")
        simple = None
        if body is not None:
            loose = len(self.found.loose)
            simple = self.statement(body, depth + 1)
            if simple is None and len(self.found.loose) > loose:
                simple = Simple(assigns=self.found.loose[loose:])
                self.add(simple)
        place = simple if simple is not None else Simple()
        before = len(place.words)
        for child in node.named_children:
            if child == body:
                continue
            if child.type == "file_redirect":
                self.redirect(child, place, depth)
            elif child.type == "heredoc_redirect":
                self.document(child, place, depth)
            elif child.type == "herestring_redirect":
                place.stdin += [self.word(part, depth) for part in child.named_children]
            else:
                self.note("a construct that is not known here")
                self.inside(child, depth)
        if simple is None:
            if body is not None and len(place.words) > before:
                self.note("words behind a redirection")
            # The files of a group are written by what is in it: its last command stands for them.
            self.add(place)

    def redirect(self, node: Node, simple: Simple, depth: int) -> None:
        operator = next((child.type for child in node.children if not child.is_named), "")
        parts = [child for child in node.named_children if child.type != "file_descriptor"]
        words = [self.word(part, depth) for part in parts]
        for before, after in pairwise(parts):
            self.apart(before.end_byte, after.start_byte)
        if operator.startswith("&>"):
            at = next(child.start_byte for child in node.children if not child.is_named)
            self.ampersands.add(at)
        if words and operator in (">", ">>", ">|", "&>", "&>>", "<>", ">&"):
            target = words[0].text
            if target is None or not (
                _NOWHERE.fullmatch(target) or (operator == ">&" and re.fullmatch(r"\d+-?|-", target))
            ):
                simple.writes.append(words[0].source)
        if words and operator == "<" and (words[0].text or "").startswith(("/dev/tcp/", "/dev/udp/")):
            simple.writes.append(words[0].source)  # bash connects
        for word in words[1:]:
            simple.words += self.split(word)

    def document(self, node: Node, simple: Simple, depth: int) -> None:
        """Take a here-document, and the rest of the line that it begins in, which the grammar puts into it."""
        start = body = end = None
        for child in node.named_children:
            kind = child.type
            if kind == "heredoc_start":
                start = child
            elif kind == "heredoc_body":
                body = child
            elif kind == "heredoc_end":
                end = child
            elif kind == "file_redirect":
                self.redirect(child, simple, depth)
            elif kind in _WORDS and kind != "file_descriptor":
                simple.words += self.split(self.word(child, depth))
            elif kind != "file_descriptor":
                self.statement(child, depth + 1)
        if start is None or end is None or self.data.replace(b"<<<", b"").count(b"<<") != 1:
            self.note("here-documents that may end elsewhere")
        if start is not None and end is not None:
            self._ends(node, start, body, end)
        if body is not None:
            self.found.documents.append(self.source(body))
            self.inside(body, depth)

    def _ends(self, node: Node, start: Node, body: Node | None, end: Node) -> None:
        """Note a here-document that a shell may see end elsewhere than the grammar does."""
        mark = self.source(start)
        word = re.sub(r"['\"\\]", "", mark)
        text = self.data.decode()
        at = len(self.data[: start.end_byte].decode())
        line_end = text.find("\n", at)
        rest = text[at:line_end]
        lines = text[line_end + 1 :].split("\n")
        tabs = self.data[node.start_byte :].lstrip(b"0123456789").startswith(b"<<-")
        place = next(
            (number for number, line in enumerate(lines) if (line.lstrip("\t") if tabs else line) == word), None
        )
        first = text.count("\n", 0, line_end + 1)
        if (
            line_end < 0
            or place is None
            or first + place != end.start_point[0]
            or not re.fullmatch(r"\w+", word)
            or rest.count("'") % 2
            or rest.count('"') % 2
            or re.search(r"[\\`#]|\$\(|<<", rest)
        ):
            self.note("a here-document that may end elsewhere")
        if mark == word and body is not None:
            inner = self.source(body)
            nodes = sum(1 for found in below(body) if found.type in ("command_substitution", "arithmetic_expansion"))
            if "\\" in inner or "`" in inner or inner.count("$(") != nodes:
                self.note("a here-document with expansions that are not clear")

    def declaration(self, node: Node, depth: int) -> None:
        keyword = node.children[0].type
        simple = Simple([literal(keyword)])
        for child in node.named_children:
            if child.type == "variable_assignment":
                simple.assigns.append(self.assignment(child, depth))
            elif child.type in _WORDS:
                simple.words.append(self.word(child, depth))
            else:
                self.note("a construct that is not known here")
                self.inside(child, depth)
        simple.exports = True
        self.add(simple)

    def test(self, node: Node, depth: int) -> None:
        bracket = node.children[0].type
        if bracket == "((":
            self.note("((…)) is arithmetic to one shell and a command to another")
        simple = Simple([literal(bracket)])
        for child in below(node, _WORDS):
            if child.type in _WORDS:
                simple.words.append(self.word(child, depth))
            elif not child.is_named and child.type in _OPERATORS:
                self.note(f"{bracket} with an operator that another shell takes otherwise")
        for before, operator, after in zip(simple.words, simple.words[1:], simple.words[2:], strict=False):
            if bracket == "[[" and operator.source in _COMPARES:
                self.evaluate(before.source)
                self.evaluate(after.source)
        self.add(simple)

    def loop(self, node: Node, depth: int) -> None:
        for child in node.named_children:
            if child.type == "variable_name":
                self.values[self.source(child)] = None
                self.found.names.append(self.source(child))
            elif child.type in _WORDS:
                self.word(child, depth)
            else:
                self.statement(child, depth + 1)

    def cases(self, node: Node, depth: int) -> None:
        for child in node.named_children:
            if child.type != "case_item":
                self.word(child, depth)
                continue
            pattern = True
            for part in child.children:
                if part.type == ")":
                    pattern = False
                elif part.is_named:
                    if pattern and part.type in _WORDS:
                        self.word(part, depth)
                    else:
                        self.statement(part, depth + 1)

    def function(self, node: Node, depth: int) -> None:
        name = node.child_by_field_name("name")
        for child in node.named_children:
            if child != name:
                self.statement(child, depth + 1)
        after = node.next_sibling
        if name is not None and depth == 1 and (after is None or after.type in (";", "\n") or after.is_named):
            self.found.functions.setdefault(self.source(name), len(self.found.commands))

    def assignment(self, node: Node, depth: int, *, keep: bool = False) -> tuple[str, Word]:
        named = node.named_children
        if not named:
            return "", UNKNOWN
        name = self.source(named[0])
        if named[0].type != "variable_name":
            self.inside(named[0], depth)
            name, _, subscript = name.partition("[")
            self.evaluate(subscript)
        value = literal("")
        for child in named[1:]:
            if child.type in _WORDS:
                value = self.word(child, depth)
            else:
                self.inside(child, depth)
                value = UNKNOWN
        text = value.text
        if text is not None and ("$(" in text or "`" in text):
            self.note("a variable that holds a command")
        if keep:
            appended = any(child.type == "+=" for child in node.children)
            known = name in self.values and self.values[name] != text
            self.values[name] = None if appended or known else text
        return name, value

    # -- words -------------------------------------------------------------------------------------------------------

    def word(self, node: Node, depth: int) -> Word:
        """Return the word that ``node`` is; statements in it are taken on the way."""
        pieces, splits, guess = self.pieces(node, depth)
        source = self.source(node)
        whole = joined(pieces)
        if node.type in ("word", "concatenation", "brace_expression") and _braces(node, self):
            return Word(None, (None,), True, source)
        if None not in whole:
            return Word("".join(piece or "" for piece in whole), whole, False, source)
        return Word(None, whole, splits, source, guess)

    def pieces(self, node: Node, depth: int, quoted: bool = False) -> tuple[Pieces, bool, str | None]:
        """Return what is known of a part of a word, whether it may split, and a guess at it."""
        kind = node.type
        source = self.source(node)
        if kind in _PLAIN:
            found, clean = unquoted(source)
            if not clean:
                self.note("a word that is not clear")
            return found, None in found, None
        if kind == "raw_string":
            return (source[1:-1],), False, source[1:-1]
        if kind == "ansi_c_string":
            value = ansi_c(source[2:-1])
            if "\\'" in source or value is None:
                self.note("a $'…' that another shell takes otherwise")
            return (value,), False, value
        if kind in ("string", "translated_string"):
            inner = node if kind == "string" else node.named_children[0]
            return self.string(inner, depth)
        if kind == "concatenation":
            return self.parts(node, depth)
        if kind in ("simple_expansion", "expansion"):
            return self.expansion(node, depth, quoted)
        if kind == "command_substitution":
            self.substitution(node, depth)
            return (None,), not quoted, None
        if kind == "process_substitution":
            self.substitution(node, depth)
            return ("/dev/fd/", None), False, None
        if kind == "arithmetic_expansion":
            if not _ARITHMETIC.fullmatch(re.sub(r"\$\([^()]*\)", "", source)) or _unbalanced(source):
                self.note("$((…)) that is not clear")
            self.evaluate(self.without_commands(node))
            self.inside(node, depth)
            return (None,), False, None
        if kind == "brace_expression":
            return (None,), True, None
        if node.is_named:
            self.note("a word that is not clear")
            self.inside(node, depth)
            return (None,), True, None
        return (
            ((source,), False, source)
            if source in ("$", "#", "=", "==", "[", "]", "{", "}", "!")
            else ((None,), True, None)
        )

    def parts(self, node: Node, depth: int) -> tuple[Pieces, bool, str | None]:
        out: list[str | None] = []
        splits, guess = False, ""
        sure: str | None = guess
        for child in node.children:
            found, may_split, likely = self.pieces(child, depth)
            glob = may_split and child.type in _PLAIN
            out += [None] if may_split and not glob else found
            splits = splits or may_split
            text = likely if likely is not None else ("".join(p or "" for p in found) if None not in found else None)
            sure = None if sure is None or text is None else sure + text
        return joined(out), splits, sure

    def string(self, node: Node, depth: int) -> tuple[Pieces, bool, str | None]:
        """Take a string in double quotes: the text between its expansions, blanks included."""
        out: list[str | None] = []
        sure: str | None = ""
        splits = False
        position = node.start_byte + 1

        def plain(end: int) -> None:
            nonlocal sure
            text, clean = in_double_quotes(self.data[position:end].decode(errors="replace"))
            if not clean:
                self.note("a string that is not clear")
            out.append(text)
            sure = None if sure is None else sure + text

        for child in node.named_children:
            if child.type == "string_content":
                continue
            plain(child.start_byte)
            position = child.end_byte
            found, _, likely = self.pieces(child, depth, quoted=True)
            if child.type == "expansion" and "'" in self.source(child):
                self.note("a string that is not clear")
            splits = splits or "@" in self.source(child)[:4]
            out += found
            sure = None if sure is None or likely is None else sure + likely
        plain(node.end_byte - 1)
        return joined(out), splits, sure

    def expansion(self, node: Node, depth: int, quoted: bool) -> tuple[Pieces, bool, str | None]:
        source = self.source(node)
        if node.type == "expansion":
            flat = self.without_commands(node)
            if not _EXPANSION.fullmatch(flat) or _SUBSTITUTES.search(flat) or "@P" in source:
                self.note("an expansion that is not clear")
            self.evaluate(_evaluated(flat))
            self.inside(node, depth)
        name = source.strip("${}")
        if node.type == "expansion" and (sets := re.match(r"\$\{(\w+):?=", source)) is not None:
            self.found.names.append(sets[1])
        guess = self.values.get(name) if re.fullmatch(r"\w+", name) else None
        return (None,), not quoted or "@" in source, guess

    def evaluate(self, text: str) -> None:
        """Keep the names in a text that bash reads as arithmetic, in which a value ``a[$(…)]`` runs a command."""
        self.found.evaluated += _NAME.findall(_LENGTH.sub("", text))

    def without_commands(self, node: Node) -> str:
        """Return the source of a node without the substitutions that the grammar saw in it."""
        out, position = b"", node.start_byte
        for child in below(node, _SUBSTITUTIONS):
            if child.type in _SUBSTITUTIONS:
                out += self.data[position : child.start_byte]
                position = child.end_byte
        return (out + self.data[position : node.end_byte]).decode(errors="replace")

    def substitution(self, node: Node, depth: int) -> None:
        """Take what stands in ``$(…)``, ``<(…)`` or between backticks; the latter by itself, without its escapes."""
        source = self.source(node)
        if source.startswith("`"):
            self.found.texts.append(re.sub(r"\\([`\\$])", r"\1", source[1:-1]))
            return
        for child in node.named_children:
            if child.type in ("file_redirect", "heredoc_redirect", "herestring_redirect"):
                self.redirect(child, Simple(), depth)
            else:
                self.statement(child, depth + 1)

    def inside(self, node: Node, depth: int) -> None:
        """Take the substitutions in a node of which nothing else matters."""
        for child in below(node, _SUBSTITUTIONS | {"string"}):
            if child.type == "string":
                self.string(child, depth + 1)
            elif child.type in _SUBSTITUTIONS:
                self.substitution(child, depth + 1)


def _braces(node: Node, walk: _Walk) -> bool:
    """Return whether braces outside of quotes may expand."""
    parts = node.children if node.type == "concatenation" else [node]
    text = "".join(
        "_" if part.type in ("string", "raw_string", "ansi_c_string") else walk.source(part) for part in parts
    )
    text = re.sub(r"\\.|\$\{[^{}]*\}", "", text)
    return "{" in text and ("," in text or ".." in text)


def _evaluated(expansion: str) -> str:
    """Return what of ``${…}`` is read as arithmetic, or stands for another variable: offset, subscript, ``${!x}``."""
    found = re.match(r"\$\{(!?)(\w*)(?:\[([^\]]*)\])?(?::(?![-=?+])(.*))?", expansion, re.DOTALL)
    if found is None:
        return ""
    other, name, subscript, offset = found.groups("")
    indirect = name if other and not subscript and not expansion.endswith(("*}", "@}")) else ""
    return f"{indirect} {'' if subscript in '@*' else subscript} {offset}"


def _unbalanced(source: str) -> bool:
    depth = 0
    for char in source[3:-2]:
        depth += (char == "(") - (char == ")")
        if depth < 0:
            return True
    return depth != 0
