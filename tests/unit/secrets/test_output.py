"""What a process prints holds no secret, however it is split."""

import sys

import pytest

from headway.secrets import Redactor, Secret
from headway.secrets.output import redacted_output


def test_prints_and_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    redactor = Redactor()
    before = sys.stdout, sys.stderr
    with redacted_output(redactor):
        print("before: printed-secret-1")
        redactor.add("DB", Secret("printed-secret-1"))
        print("plain printed-secret-1 end")
        for letter in "printed-secret-1":
            print(letter, end="", flush=True)
        print()
        sys.stderr.writelines(["a printed-sec", "ret-1 b\n"])
        print("cut printed-sec", end="")
    assert (sys.stdout, sys.stderr) == before
    shown = capsys.readouterr()
    assert shown.out == "before: printed-secret-1\nplain «secret:DB» end\n«secret:DB»\ncut printed-sec"
    assert shown.err == "a «secret:DB» b\n"
