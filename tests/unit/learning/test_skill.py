"""Skills and their files."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headway import Conflict, InvalidInput, NotFound
from headway.learning import skill_file
from headway.learning.skill import DistilledSkill, check_name, slug
from headway.learning.skill_file import export_skill, import_skill
from headway.learning.skill_store import SkillStore
from headway.testing import VirtualClock

FULL = DistilledSkill(
    name="plan-fetch-1",
    description='Says "hi"\nand \\ more [b]',
    when_to_apply="Before.",
    scope="team",
    source="success",
    domain="web",
    trigger="tools: fetch",
    code='{"actions": [{"tool": "fetch"}]}\n+++\n````\n',
    success_count=3,
    failure_count=1,
    revision=2,
    repairs=1,
    weighed_at=4,
    created_ms=5,
    used_ms=6,
)


def store(**options: Any) -> SkillStore:
    return SkillStore(clock=VirtualClock(), **options)


def skill(name: str, good: int = 0, bad: int = 0, **fields: Any) -> DistilledSkill:
    return DistilledSkill(name=name, success_count=good, failure_count=bad, **fields)


# -- the skill -------------------------------------------------------------------------------------------------------


def test_a_skill_is_degraded_when_failures_outnumber_successes_by_more_than_two() -> None:
    assert [skill("a", good, bad).degraded for good, bad in ((0, 2), (0, 3), (5, 7), (5, 8))] == [False, True] * 2


def test_what_follows_from_its_fields() -> None:
    assert (FULL.trials, FULL.success_rate, FULL.provisional, FULL.base) == (4, 0.75, False, "plan-fetch-1")
    candidate = skill("a@cand")
    assert (candidate.trials, candidate.success_rate, candidate.provisional, candidate.base) == (0, 0.5, True, "a")


@pytest.mark.parametrize("name", ["", "A", "a b", "../x", ".a", "a/b", "a@cand@cand", "x" * 101, "a\n", 7, None, "é"])
def test_a_name_that_is_none_is_refused(name: Any) -> None:
    with pytest.raises(InvalidInput):
        check_name(name)
    with pytest.raises(InvalidInput):
        DistilledSkill(name=name)


@pytest.mark.parametrize(
    "fields",
    [
        {"description": 7},
        {"description": "x" * 5000},
        {"description": "\x1b[31m"},
        {"description": "\0"},
        {"description": "\x7f"},
        {"description": "\x85"},
        {"description": "a\rb"},
        {"code": "\u2028"},
        {"code": "\u2029"},
        *({"when_to_apply": f"a{chr(code)}b"} for code in (*range(0x202A, 0x202F), *range(0x2066, 0x206A))),
        {"trigger": "a\tb"},
        {"trigger": " a"},
        {"trigger": "a\u00a0"},
        {"when_to_apply": "\ud800"},
        {"code": "x" * 70_000},
        {"scope": "two\nlines"},
        {"domain": "x" * 129},
        {"trigger": None},
        {"source": "luck"},
        {"success_count": -1},
        {"failure_count": 2**60},
        {"repairs": 1.5},
        {"revision": 0},
        {"deprecated": 1},
        {"used_ms": float("nan")},
    ],
)
def test_a_field_that_cannot_be_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(InvalidInput, match="skill"):
        DistilledSkill(**{"name": "a", **fields})


@pytest.mark.parametrize(
    "text",
    [
        "« bonjour\u00a0»",
        "全角\u3000空白",
        "\N{MAN}\u200d\N{WOMAN}\u200d\N{GIRL} family",
        "soft\u00adhyphen",
        "rtl \u200f, ltr \u200e.",
        "می\u200cخواهم",
        "private \ue000, unassigned \u0378",
        "two  spaces",
    ],
)
def test_ordinary_text_of_any_language_is_taken(text: str) -> None:
    made = skill("a", description=f"{text}\n\t{text}", code=text, trigger=text, domain=text, scope=text)
    assert (made.code, made.trigger) == (text, text)
    assert import_skill(export_skill(made)) == made


def test_a_slug_is_part_of_a_name() -> None:
    assert [slug(text) for text in ("Fetch URL!", "ns.tool/x", "é[b]", "***", "x" * 50)] == [
        "fetch-url",
        "ns-tool-x",
        "b",
        "x",
        "x" * 24,
    ]


# -- its file --------------------------------------------------------------------------------------------------------


def test_a_file_is_markdown_with_front_matter_and_a_hash() -> None:
    text = export_skill(FULL)
    lines = text.splitlines()
    assert lines[:4] == ["+++", 'format = "headway-skill"', "version = 1", 'name = "plan-fetch-1"']
    assert 'description = "Says \\"hi\\"\\nand \\\\ more [b]"' in lines
    head, body = text.split("sha256", 1)[0][4:], text.split("\n+++\n", 1)[1]
    assert hashlib.sha256(f"{head}+++\n{body}".encode()).hexdigest() in text
    assert "`````json" in lines  # longer than any in the code
    assert import_skill(text) == FULL
    assert import_skill(text.encode()) == FULL


TURNS = "".join(map(chr, (*range(0x202A, 0x202F), *range(0x2066, 0x206A))))
plain = st.text(
    st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters=TURNS, include_characters="\n\t"),
    max_size=80,
)


@given(plain, plain, st.text(alphabet="`+\n\"'\\json{}", max_size=60))
def test_every_skill_comes_back_from_its_file(description: str, when: str, code: str) -> None:
    made = skill("a", description=description, when_to_apply=when, code=code)
    assert import_skill(export_skill(made)) == made


def resigned(text: str) -> str:
    """Return a file with the hash that it ought to have: what somebody who means harm can write."""
    head, _, rest = text[4:].partition('sha256 = "')
    body = rest.split("\n+++\n", 1)[1]
    mark = hashlib.sha256(f"{head}+++\n{body}".encode()).hexdigest()
    return f'+++\n{head}sha256 = "{mark}"\n+++\n{body}'


@pytest.mark.parametrize(
    ("old", "new"),
    [("success_count = 3", "success_count = 9"), ("fetch", "other"), ('sha256 = "', 'sha256 = "0'), ("````", "```")],
)
def test_a_file_that_was_changed_is_refused(old: str, new: str) -> None:
    text = export_skill(FULL)
    assert old in text
    with pytest.raises(InvalidInput, match="sha256"):
        import_skill(text.replace(old, new))


@pytest.mark.parametrize(
    ("old", "new", "why"),
    [
        ("version = 1", "version = 2", "has version 2"),
        ("headway-skill", "other", "its format is another"),
        ("success_count = 3", "success_count = -3", "at least 0"),
        ("success_count = 3", 'success_count = "3"', "Expected `int`"),
        ('scope = "team"', 'scope = "team"\nexec = "rm"', "unknown field 'exec'"),
        ('scope = "team"', "scope = " + "[" * 5000, "not a skill file"),
        ('name = "plan-fetch-1"', 'name = "../../etc/passwd"', "a skill's name is"),
        ('scope = "team"', 'scope = "\\u001b[31m"', "without control characters"),
        ('domain = "web"\n', 'domain = """\nweb\n"""\n', "one line of plain text"),
        ("\n`````json", "\nrun me\n`````json", "one fenced block"),
        ('name = "plan-fetch-1"\n', "", "missing required field `name`"),
        ('source = "success"', 'source = "luck"', "Invalid enum value"),
    ],
)
def test_a_hostile_file_is_data(old: str, new: str, why: str) -> None:
    text = export_skill(FULL)
    assert old in text
    with pytest.raises(InvalidInput, match=why) as caught:
        import_skill(resigned(text.replace(old, new, 1)))
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("text", ["", "+++", "# hello", "+++\n+++\n", "x" * 600_000, b"\xff\xfe", "\ud800", 7, None])
def test_what_is_no_file_is_refused(text: Any) -> None:
    with pytest.raises(InvalidInput):
        import_skill(text)


@given(st.text(max_size=200) | st.binary(max_size=200))
def test_any_bytes_are_a_skill_or_an_error(text: str | bytes) -> None:
    with pytest.raises(InvalidInput):
        import_skill(text)


def test_only_a_skill_is_exported() -> None:
    with pytest.raises(InvalidInput, match="not dict"):
        export_skill({})  # type: ignore[arg-type]


@pytest.mark.parametrize("code", ["\N{GRINNING FACE}" * 65_536, "`" * 65_536, '"\\\n' * 21_845])
def test_the_largest_skill_comes_back_from_its_file(code: str, tmp_path: Path) -> None:
    wide = "\N{GRINNING FACE}"
    texts = {"description": wide * 4096, "when_to_apply": wide * 4096, "trigger": wide * 1024}
    counts = dict.fromkeys(("success_count", "failure_count", "repairs", "weighed_at", "created_ms", "used_ms"), 2**53)
    name = "a" * 100 + "@cand"
    made = DistilledSkill(name=name, code=code, scope=wide * 128, domain=wide * 128, revision=2**53, **texts, **counts)
    assert len(export_skill(made).encode()) < skill_file.LONGEST_FILE
    skills = store()
    skills.put(made)
    skills.export_to(tmp_path)
    other = store()
    assert (other.import_from(tmp_path).problems, list(other)) == ({}, [made])


# -- the store -------------------------------------------------------------------------------------------------------


def test_the_same_lesson_is_one_skill() -> None:
    skills = store()
    assert skills.record(skill("a", 7, 7, description="first"))
    assert not skills.record(skill("a", description="second"))
    kept = skills.get("a")
    assert kept is not None
    assert (kept.success_count, kept.failure_count, kept.description) == (2, 0, "first")
    assert kept.created_ms == kept.used_ms == 1_700_000_000_000


def test_trials_are_credited() -> None:
    skills = store()
    skills.put(skill("a"))
    assert skills.credit("a", succeeded=True)
    assert skills.credit("a", succeeded=False)
    assert not skills.credit("b", succeeded=True)
    kept = skills.get("a")
    assert kept is not None
    assert (kept.success_count, kept.failure_count, kept.used_ms) == (1, 1, 1_700_000_000_000)
    assert len(skills) == 1


def test_skills_by_name() -> None:
    skills = store()
    for name in ("b", "a", "a@cand"):
        skills.put(skill(name))
    assert ([found.name for found in skills], len(skills)) == (["a", "a@cand", "b"], 3)
    assert "a" in skills
    assert (skills.get("nope"), skills.get(["x"])) == (None, None)
    assert skills.remove("a")
    assert not skills.remove("a")
    assert [found.name for found in skills] == ["b"]  # a candidate goes with its incumbent
    for odd in ({}, None, "b"):
        with pytest.raises(InvalidInput):
            skills.put(odd)  # type: ignore[arg-type]
        with pytest.raises(InvalidInput):
            skills.record(odd)  # type: ignore[arg-type]


def test_the_store_is_bounded() -> None:
    skills = store(max_skills=2)
    skills.put(skill("old", used_ms=1))
    skills.put(skill("young", used_ms=2))
    skills.put(skill("new", used_ms=0))
    assert [found.name for found in skills] == ["new", "young"]
    skills.put(skill("young", deprecated=True, used_ms=9))
    skills.put(skill("newest"))
    assert [found.name for found in skills] == ["new", "newest"]
    skills.put(skill("new@cand"))
    assert [found.name for found in skills] == ["new", "new@cand"]
    with pytest.raises(InvalidInput):
        store(max_skills=1)


def test_finding_skills() -> None:
    skills = store()
    skills.put(skill("plan-fetch", 5, 0, trigger="tools: fetch, parse", domain="web"))
    skills.put(skill("plan-send", 1, 0, trigger="tools: send", domain="mail"))
    skills.put(skill("pitfall-fetch", 1, 0, trigger="tool: fetch", source="failure", domain="web"))
    skills.put(skill("gone", trigger="fetch", deprecated=True))
    skills.put(skill("bad", 0, 3, trigger="fetch"))
    skills.put(skill("plan-fetch@cand", trigger="fetch"))
    names = lambda *args, **kw: [found.name for found in skills.find(*args, **kw)]  # noqa: E731
    assert names() == ["plan-fetch", "pitfall-fetch", "plan-send"]
    assert sorted(names("fetch it")) == ["pitfall-fetch", "plan-fetch"]
    assert names("fetch and parse")[0] == "plan-fetch"
    assert names("fetch", source="failure") == ["pitfall-fetch"]
    assert names(domain="mail") == ["plan-send"]
    assert names(limit=1) == ["plan-fetch"]
    assert names("nothing like it") == []
    with pytest.raises(InvalidInput):
        skills.find(7)  # type: ignore[arg-type]


def test_exchange_by_files(tmp_path: Path) -> None:
    skills = store()
    skills.put(FULL)
    skills.put(skill("a@cand"))
    assert skills.export_to(tmp_path / "out") == ["a@cand", "plan-fetch-1"]
    (tmp_path / "out" / "bad.md").write_text("# hello")
    (tmp_path / "out" / "notes.txt").write_text("mine")
    other = store()
    done = other.import_from(tmp_path / "out")
    assert (done.names, list(done.problems)) == (["a@cand", "plan-fetch-1"], ["bad.md"])
    assert list(other) == list(skills)
    again = other.import_from(tmp_path / "out")
    assert again.problems["plan-fetch-1.md"] == "there is a skill plan-fetch-1 already"
    assert other.import_from(tmp_path / "out", replace=True).names == ["a@cand", "plan-fetch-1"]
    with pytest.raises(InvalidInput, match="cannot read"):
        other.import_from(tmp_path / "nope")
    with pytest.raises(InvalidInput, match="cannot write"):
        other.export_to(tmp_path / "out" / "bad.md" / "x")


@pytest.mark.timeout(20)
def test_what_is_no_regular_file_is_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.md")
    (tmp_path / "folder.md").mkdir()
    (tmp_path / "link.md").symlink_to("fifo.md")
    (tmp_path / "zero.md").symlink_to("/dev/zero")
    (tmp_path / "real").write_text(export_skill(FULL))
    (tmp_path / "real.md").symlink_to("real")
    done = store().import_from(tmp_path)
    assert done.names == ["plan-fetch-1"]
    assert {name: problem.rpartition(": ")[2] for name, problem in done.problems.items()} == {
        "fifo.md": "it is not a regular file",
        "folder.md": "it is a folder",
        "link.md": "it is not a regular file",
        "zero.md": "it is not a regular file",
    }


def test_exchange_by_text() -> None:
    skills = store()
    skills.put(FULL)
    text = skills.export("plan-fetch-1")
    with pytest.raises(Conflict):
        skills.import_text(text)
    assert store().import_text(text) == FULL
    with pytest.raises(NotFound):
        skills.export("nope")
