"""A recording without a console: its lines, or how its jobs ended."""

from __future__ import annotations

from pathlib import Path


def print_lines(file: Path) -> None:
    """Print the recording in plain lines."""
    from headway.events.recording import Recording
    from headway_console.cli.output import note, say
    from headway_console.plain import PlainLines

    recording = Recording(file)
    say(recording.header.title or file.name)
    lines = PlainLines(several=True)
    for event in recording:
        for line in lines.lines(event):
            say(line)
    for problem in recording.problems:
        note(f"{problem.severity}: {file}:{problem.line}: {problem.message}")


def print_jobs(file: Path) -> None:
    """Print the title, the number of events and every job's result as JSON."""
    from headway.events.fold import fold
    from headway.events.recording import Recording
    from headway.events.views import JobRow, RunView
    from headway_console.cli.output import note, write_json

    recording = Recording(file)
    runs: dict[str, RunView] = {}
    count = 0
    for event in recording:
        count += 1
        if event.job_id is not None:
            run = runs.get(event.job_id) or RunView(job=JobRow(job_id=event.job_id))
            runs[event.job_id] = fold(run, event)
    for problem in recording.problems:
        note(f"{problem.severity}: {file}:{problem.line}: {problem.message}")
    jobs = [run.result() for run in runs.values()]
    write_json({"title": recording.header.title, "events": count, "jobs": jobs})
