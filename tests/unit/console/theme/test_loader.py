"""Theme files are read strictly, each error is told, and one bad file does not hold up the others."""

from pathlib import Path

import pytest

from headway_console import resources
from headway_console.glyphs import TONES
from headway_console.theme import DARK, LIGHT, ThemeSet, load_themes, parse_theme

STATES = "\n".join(f'state-{tone} = "#000000"' for tone in TONES)
GOOD = f"""
dark = false
primary = "#003366"
foreground = "#000000"
background = "#ffffff"
surface = "#ffffff"
panel = "#ffffff"

[variables]
{STATES}
"""


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    return path


def messages(text: str, folder: Path) -> list[str]:
    """Return the words on a file with that text, without the folder."""
    path = write(folder, "made.toml", text)
    theme, problems = parse_theme(path)
    assert theme is None
    assert all(problem.refused for problem in problems)
    return [str(problem).removeprefix(f"{folder}/") for problem in problems]


def test_a_good_file(tmp_path: Path) -> None:
    path = write(tmp_path, "my-theme.toml", GOOD)
    theme, problems = parse_theme(path)
    assert not problems
    assert theme is not None
    assert (theme.name, theme.dark, theme.primary, theme.background) == ("my-theme", False, "#003366", "#ffffff")
    assert theme.variables["state-running"] == "#000000"


def test_every_field_of_a_theme_may_be_set(tmp_path: Path) -> None:
    more = 'name = "n"\nansi = false\nluminosity_spread = 0.2\ntext_alpha = 1\nboost = "#fff"\nsecondary = "rgb(0,0,9)"'
    theme, _ = parse_theme(write(tmp_path, "made.toml", more + GOOD))
    assert theme is not None
    assert (theme.name, theme.luminosity_spread, theme.text_alpha, theme.secondary) == ("n", 0.2, 1, "rgb(0,0,9)")


def test_an_unknown_key_is_refused_with_file_line_and_nearest(tmp_path: Path) -> None:
    assert messages("\nforegrund = '#fff'" + GOOD, tmp_path) == [
        "made.toml:2: foregrund is not a known key; did you mean foreground?"
    ]
    assert messages(GOOD + 'state-runing = "#000"\n', tmp_path) == [
        "made.toml:17: variables.state-runing is not a known key; did you mean state-running?"
    ]
    assert messages("zzz = 1" + GOOD, tmp_path) == ["made.toml:1: zzz is not a known key"]


def test_all_errors_of_a_file_are_told(tmp_path: Path) -> None:
    text = 'primary = "no colour"\ndark = "yes"\ntext_alpha = 3\nname = "a b"\nsurface = 7\n[variables]\nborder = "]"\n'
    assert messages(text, tmp_path) == [
        "made.toml:1: primary is 'no colour', no colour",
        "made.toml:2: dark must be true or false",
        "made.toml:3: text_alpha must be a number from 0 to 1",
        "made.toml:4: name must be letters, digits, - and _, at most 64 of them",
        "made.toml:5: surface must be a colour in quotes",
        "made.toml:7: variables.border is ']', no colour",
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("dark = true", "made.toml: primary is required and missing"),
        ("variables = 3\nprimary = '#fff'", "made.toml:1: variables must be a table"),
        ("primary = [", "made.toml: Invalid value (at end of document)"),
        ("a = 1\nprimary == '#fff'", "made.toml:2: Invalid value (column 10)"),
        ("primary = '#fff'\n[variables]\nborder = 3", "made.toml:3: variables.border must be a text in quotes"),
        ("primary = '#fff'", "made.toml: variables lacks state-running"),
        (
            "primary = '#fff'\n[variables]\nlink-style = 'fat'",
            "made.toml:3: variables.link-style is 'fat', no text style",
        ),
        ("primary = 'auto'", "made.toml:1: primary is 'auto', no colour"),
        ("x" * 70_000, "made.toml: is larger than 65536 bytes"),
    ],
)
def test_one_error(text: str, said: str, tmp_path: Path) -> None:
    [line] = messages(text, tmp_path)
    assert line.startswith(said)
    assert "\n" not in line


def test_no_text_and_no_file(tmp_path: Path) -> None:
    path = tmp_path / "made.toml"
    path.write_bytes(b'primary = "\xff"')
    assert [p.message for p in parse_theme(path)[1]] == ["is not UTF-8 text"]
    assert [p.message for p in parse_theme(tmp_path / "none.toml")[1]] == ["cannot be read: No such file or directory"]
    assert [p.message for p in parse_theme(tmp_path)[1]] == ["cannot be read: Is a directory"]


def test_styles_and_special_values(tmp_path: Path) -> None:
    more = 'link-style = "bold not underline"\nborder = "auto 87%"\nscrollbar = "transparent"\nlink-color = "auto"\n'
    theme, problems = parse_theme(write(tmp_path, "made.toml", GOOD + more))
    assert theme is not None
    assert not [p for p in problems if p.refused]


def test_a_bad_file_does_not_hold_up_the_others(tmp_path: Path) -> None:
    write(tmp_path, "a.toml", "nonsense")
    write(tmp_path, "b.toml", GOOD)
    write(tmp_path, "c.toml", "oops = 1" + GOOD)
    write(tmp_path, ".d.toml", "hidden nonsense")
    write(tmp_path, "e.txt", "not a theme")
    found = load_themes([tmp_path, tmp_path / "none"])
    assert list(found.themes) == ["b"]
    assert found.paths == {"b": tmp_path / "b.toml"}
    assert [problem.path.name for problem in found.problems] == ["a.toml", "c.toml"]


def test_two_files_of_one_folder_cannot_have_one_name(tmp_path: Path) -> None:
    write(tmp_path, "a.toml", 'name = "same"' + GOOD)
    write(tmp_path, "b.toml", 'name = "same"' + GOOD)
    found = load_themes([tmp_path])
    assert found.paths == {"same": tmp_path / "a.toml"}
    assert [str(p).rpartition("/")[2] for p in found.problems] == ['b.toml: name is "same", as a.toml is']


def test_a_later_folder_replaces_a_theme(tmp_path: Path) -> None:
    (tmp_path / "user").mkdir()
    write(tmp_path / "user", f"{LIGHT}.toml", GOOD)
    found = load_themes([resources.themes(), tmp_path / "user"])
    assert not found.problems
    assert list(found.themes) == [DARK, LIGHT]
    assert found.themes[LIGHT].primary == "#003366"


def test_states_left_out_come_from_the_shipped_theme_of_that_brightness(tmp_path: Path) -> None:
    write(tmp_path, "mine.toml", GOOD.partition("[variables]")[0] + '[variables]\nstate-failed = "#550000"\n')
    found = load_themes([resources.themes(), tmp_path])
    assert not found.problems
    shipped = found.themes[LIGHT].variables
    mine = found.themes["mine"].variables
    assert mine["state-failed"] == "#550000"
    assert all(mine[f"state-{tone}"] == shipped[f"state-{tone}"] for tone in TONES if tone != "failed")
    assert found.state_defaults(dark=False) == {k: v for k, v in shipped.items() if k.startswith("state-")}
    assert set(found.state_defaults()) == {f"state-{tone}" for tone in TONES}
    assert ThemeSet().state_defaults() == {}


def test_a_lack_of_contrast_is_told_but_not_refused(tmp_path: Path) -> None:
    pale = GOOD.replace('state-failed = "#000000"', 'state-failed = "#999999"')
    theme, problems = parse_theme(write(tmp_path, "pale.toml", pale))
    assert theme is not None
    assert [p.message.partition(" has")[0] for p in problems] == [
        f"state-failed on {ground}" for ground in ("background", "surface", "panel")
    ]
    assert not any(p.refused for p in problems)
