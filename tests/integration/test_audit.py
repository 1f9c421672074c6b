"""The shipped audit, run twice by one daemon with a file changed in between: it reports what is there."""

from __future__ import annotations

from pathlib import Path

import headway
from headway.config import load_config
from headway.engine import Engine
from headway.home import Home
from headway.plan.results import ProposalResult

EXAMPLES = Path(headway.__file__).parents[2] / "examples"


async def audited(engine: Engine) -> ProposalResult:
    """Run the audit as its job, and return the result."""
    plan = headway.parse_proposal((EXAMPLES / "plans" / "audit.json").read_text())
    job = await engine.submit(plan)
    result = (await engine.wait(job.job_id, 60)).result()
    assert result.ok, result.error
    return result


async def test_the_audit_reports_what_is_there(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "tools.py").write_text((EXAMPLES / "tools.py").read_text())
    (project / "headway.toml").write_text('[tools]\npython = ["tools.py"]\nworkspace = "."\n')
    (project / "README.md").write_text("one two three\n")
    (project / "code.py").write_text("x = 1\n")
    engine = await Engine.open(Home(tmp_path / "home"), load_config(project / "headway.toml", trusted=True))
    try:
        first = await audited(engine)
        (project / "README.md").write_text("one two three four\n")
        (project / "code.py").write_text("x = 1  # TO" + "DO: more\n")
        second = await audited(engine)
    finally:
        await engine.close(grace=0)
    assert (first["readme_words"].output, second["readme_words"].output) == (3, 4)
    assert (first["marker_count"].output, second["marker_count"].output) == (0, 1)
    assert first["total"].output != second["total"].output
