"""Faults in questions to people: asked once, answered once, bound to their call."""

from __future__ import annotations

from tests.mutants.mutant import Mutant

UNIT = "tests/unit/elicitation/"
ANSWERS = UNIT + "test_answers.py"
RESTARTS = "tests/integration/test_elicitations.py"

ROWS = [
    Mutant(
        "a second answer takes effect too",
        "elicitation/desk.py",
        "        if waiting.closing is not None:\n            raise _taken(elicitation_id, waiting.closing)\n",
        "",
        (ANSWERS,),
    ),
    Mutant(
        "an answer is not checked against its question",
        "elicitation/check.py",
        "    expect_one_of(choice, question.choices, f\"an answer to question '{question.id}'\")\n",
        "",
        (ANSWERS,),
    ),
    Mutant(
        "an answer puts a secret into the log",
        "elicitation/check.py",
        "if redactor.clean(made, numbers=True) != made:",
        "if False:",
        (ANSWERS,),
    ),
    Mutant(
        "nobody's silence ends a wait",
        "elicitation/desk.py",
        "waiting.timer = self._clock.call_later(rest, self._expire, waiting)",
        "pass",
        (ANSWERS, UNIT + "test_tool_questions.py"),
    ),
    Mutant(
        "a question stays open though its action was canceled",
        "elicitation/desk.py",
        "        if not settling and self._take_away(waiting):\n",
        "        if False:\n",
        (ANSWERS,),
    ),
    Mutant(
        "a restart forgets the answers",
        "elicitation/record.py",
        "                found.answers[references[name]] = Answer(",
        "                _ = Answer(",
        (RESTARTS,),
    ),
    Mutant(
        "a restart asks anew",
        "elicitation/desk.py",
        "left = asked.open.pop(question.reference, None)",
        "left = None",
        (RESTARTS,),
    ),
    Mutant(
        "an approval for the session is one for every scope and principal",
        "elicitation/desk.py",
        "allowed = self._allowed.get(session_key(question.scope, question.principal, question.digest))",
        "allowed = next((v for k, v in self._allowed.items() if k.startswith(question.digest)), None)",
        (ANSWERS,),
    ),
]
