"""Painting of one action of a run: as a line of the DAG and in the inspector."""

from __future__ import annotations

from headway.events.critical_path import why_waiting
from headway.events.views import ActionView, LimitsView, RunView
from headway.plan.results import ActionStatus
from headway_console.glyphs import SKIPPED, Look, Shapes, action_look, bar
from headway_console.text import clean, count, duration, fit, json_lines, to_json
from headway_console.widgets.painted import Line


def look_of(run: RunView, action: ActionView) -> Look:
    """Return how an action of ``run`` stands."""
    level = run.levels[action.level] if action.level < len(run.levels) else None
    look = action_look(action, level)
    return SKIPPED if run.job.finished and not action.done and look.word in ("pending", "ready") else look


def taken_ms(action: ActionView, now_ms: int) -> float | None:
    """Return how long an action took in its tool, or is taking so far."""
    if action.duration_ms is not None and action.done:
        return action.duration_ms
    if action.started_ms is not None and action.status is ActionStatus.EXECUTING:
        return float(max(0, now_ms - action.started_ms))
    return action.duration_ms


def action_line(
    run: RunView, action: ActionView, width: int, shapes: Shapes, now_ms: int, *, critical: bool, id_width: int
) -> Line:
    """Paint an action: rail of the critical path, state, id, tool, duration, and what is to be said."""
    look = look_of(run, action)
    line: Line = [(shapes.rail if critical else " ", "accent"), (f" {shapes.look(look)} ", look.tone)]
    used = 4
    if width >= 60:
        line.append((f"{look.word:<10}", look.tone))
        used += 10
    line.append((fit(clean(action.id), id_width, shapes.more) + " ", ""))
    used += id_width + 1
    if width >= 70:
        tool_width = 12 if width < 100 else 18
        line.append((fit(clean(action.tool or action.type), tool_width, shapes.more) + " ", "dim"))
        used += tool_width + 1
    line.append((f"{duration(taken_ms(action, now_ms)):>6} ", ""))
    used += 7
    return line + _detail(action, look, max(0, width - used), shapes, now_ms)


def _detail(action: ActionView, look: Look, width: int, shapes: Shapes, now_ms: int) -> Line:
    """Say the one thing that matters most about an action, in ``width`` cells."""
    parts: Line = []
    if action.attempt > 1:
        parts.append((f"try {action.attempt} ", "waiting"))
    if action.waiting_for and not action.done:
        text = clean(action.waiting_for.replace("rate_limit:", "bucket "))
        if action.waiting_until_ms and action.waiting_until_ms > now_ms:
            text += f" {duration(action.waiting_until_ms - now_ms)}"
        parts.append((text, "waiting"))
    elif action.status is ActionStatus.EXECUTING and action.progress is not None:
        full, rest = bar(shapes, 8, action.progress)
        parts += [(full, "running"), (rest, "dim"), (f" {action.progress:>4.0%} {clean(action.progress_text)}", "")]
    elif action.status is ActionStatus.EXECUTING and action.progress_text:
        parts.append((clean(action.progress_text), ""))
    elif action.rolled_back:
        parts.append(("rolled back", "cancelled"))
    elif action.error:
        parts.append((clean(action.error[:200]), look.tone))
    elif action.status is ActionStatus.SUCCEEDED and action.output is not None:
        text = action.output if isinstance(action.output, str) else to_json(action.output)
        parts.append((clean(text[:200]), "dim"))
    return _clip(parts, width, shapes.more)


def _clip(parts: Line, width: int, more: str) -> Line:
    """Cut a line at its end, saying so."""
    line: Line = []
    for text, name in parts:
        if width <= 0:
            break
        short = text if len(text) <= width and text.isascii() else fit(text, width, more).rstrip()
        line.append((short, name))
        width -= len(short)
    return line


def action_details(
    run: RunView, action: ActionView, limits: LimitsView, shapes: Shapes, now_ms: int, *, critical: bool
) -> list[Line]:
    """Return what the inspector says of an action."""
    look = look_of(run, action)
    head: Line = [(f"{shapes.look(look)} {look.word}", look.tone)]
    taken = taken_ms(action, now_ms)
    head.append((f" {duration(taken)}" if taken is not None else "", ""))
    head.append((f", waited {duration(action.waited_ms)}" if action.waited_ms else "", ""))
    head.append((f", try {action.attempt}" if action.attempt > 1 else "", "waiting"))
    head.append((", on the critical path" if critical else "", "accent"))
    head.append((", rolled back" if action.rolled_back else "", "cancelled"))
    lines: list[Line] = [head]
    if not action.done:
        reason = why_waiting(run, action.id, now_ms, limits)
        if reason:
            lines.append([("why       ", "dim"), (clean(reason), "waiting")])
    if action.error:
        code = f"{action.error_code}: " if action.error_code else ""
        lines.append([("error     ", "dim"), (clean(code + action.error), "failed" if look.tone == "failed" else "")])
    if action.progress_text and not action.done:
        lines.append([("progress  ", "dim"), (clean(action.progress_text), "")])
    if action.output is not None:
        lines += _block("output    ", json_lines(action.output))
    if action.needs:
        lines.append(_needs(run, action, shapes))
    if action.state_changes:
        lines += _block("state     ", json_lines(action.state_changes, 200))
    if action.artifacts:
        lines.append([("artifacts ", "dim"), (count(len(action.artifacts), "artifact"), "")])
    return lines


def _block(label: str, text: list[str]) -> list[Line]:
    """Return lines of text beside a label."""
    return [[(label if index == 0 else " " * len(label), "dim"), (line, "")] for index, line in enumerate(text)]


def _needs(run: RunView, action: ActionView, shapes: Shapes) -> Line:
    """Name what an action needs, each with its state."""
    line: Line = [("needs     ", "dim")]
    by_id = {other.id: other for other in run.actions}
    for need in action.needs:
        other = by_id.get(need)
        look = look_of(run, other) if other else None
        line.append((f"{shapes.look(look)} " if look else "", look.tone if look else ""))
        line.append((f"{clean(need)}  ", ""))
    return line
