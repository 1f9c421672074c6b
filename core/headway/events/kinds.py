"""The kinds of event and what their ``data`` holds.

Names are CAR's where it has one. Unknown kinds are kept in the log and skipped by the fold, so that an older console
can follow a newer runtime. ``ms`` values are integers since 1970 unless they end in ``_ms`` and say a duration.

Job life (``job_id`` set)::

    job_created            scope, source, title, proposal {…}, graph {…}, context_id?, principal?, origin? {…},
                           reach? [tools that its plans may call], with the caller's tenant in the envelope,
                           session? (of policies), tools? (the digest of the code of the tools), policies? (the file
                           policies of its start: {files: [[name, text]]}, as a blob), spent? and topped_up?
                           {dimension: amount} (before it, in the same call), terms? {work? ("call:TOOL",
                           "workflow:NAME", or "external": no plan, somebody else does it), key? (a digest of the
                           request), priority?, max_retries?, wall_s?, idle_s?, grace_s?};
                           after a replan: replan_of {job_id, attempt};
                           forks also: forked_from {job_id, checkpoint_id, level, seq}, state {…} (the new scope's),
                           results [ActionResult…] (finished before the fork), spent {dimension: amount}
                           graph = {"actions": [{"id", "type", "tool"?, "needs": [ids], "after": [ids]}…] in list
                           order, "levels": [[index into actions…]…]}; both are {} where admission refused the plan
    job_started            pid, workspace?; of an external job worker, token, lease_until_ms
    job_progress           progress? (0 to 100), detail?      of an external job; coalesced, at most 10 a second
    job_requeued           why: "retry" | "lease" | "restart" | "resume", by?; of a retry error, attempt (from 1) and
                           next_retry_ms: the plan runs again from its start, not before that
    level_started          actions (count)          with level
    level_finished         succeeded, failed, skipped, rejected (counts)   with level; commits the level's state changes
    state_rollback         restored: {key: {"op": "set", "value"} | {"op": "delete"}}, rolled_back: [action ids]
    run_cancel_requested   reason, by
    run_killed             reason, by
    run_pause_requested    reason, by       nothing starts after it; what is in flight ends by itself
    run_paused             reason?, by      nothing is in flight, and the job has no place among those that run
    run_resumed            reason?, by      a run that was paused, or cut off by a restart, takes place again
    job_completed          outcome?, cost {CostSummary}; of an external job output?
    job_failed             outcome?, error, cost, issues? [{…}]   (outcome rejected = refused at admission)
    job_cancelled          reason, cost, outcome?

One action (``job_id``, ``action_id``, ``level`` set; ``attempt`` from 1)::

    policy_violation       reasons: [text]; the action_rejected (or skipped) that follows says so too
    hook_verdict           hook, verdict: "edit" with parameters {…}, or "none" with reason and denied; of a hook before
                           tools
    action_executing       {} committed just before the tool starts
    action_progress        current?, total?, message?      coalesced, at most 10 a second
    action_chunk           index, count, chunks: [JSON…], dropped?     pieces of an output that is being made: count of
                           them from number index (0 is the attempt's first) on, texts in a row joined; dropped of them
                           were left out or cut for size. Coalesced, at most 10 a second and one at the end. The output
                           of action_succeeded is whole.
    action_print           stream: "stdout" | "stderr", text, dropped?       what the tool printed; by command line and
                           daemon only. Coalesced as chunks are, at most 262,144 characters an attempt
    action_retrying        error, error_code, delay_ms, duration_ms     the attempt ended, another will follow
    action_deduplicated    source: "cache" | "idempotency"; the action_succeeded that follows holds that earlier result
    action_succeeded       output, state_changes?, duration_ms?, waited_ms?, artifacts?, usage? {name: amount}, cost?
                           (millionths of a US dollar)
    action_failed          error, error_code, duration_ms, waited_ms?, terminal?
    action_rejected        error, error_code
    action_skipped         error, error_code, duration_ms?, waited_ms?

Undoing what an aborted run did (``action_id`` is the action that is undone)::

    compensation_started   tool             committed just before the tool starts, after the wait for its rate limit
    compensation_succeeded output, duration_ms
    compensation_failed    error, duration_ms                without a compensation_started it was never called

Limits and budgets::

    limit_configured       bucket, capacity, interval_s, tokens, at_ms
    rate_limit_wait        bucket, capacity, interval_s, tokens, at_ms, waiters, next_ms        with job_id, action_id
    rate_limit_grant       bucket, capacity, interval_s, tokens, at_ms, waiters, waited_ms      with job_id, action_id
    rate_limit_returned    bucket, capacity, interval_s, tokens, at_ms, waiters, next_ms?       with job_id, action_id
                           the call for which a token was granted is not made
    limit_removed          bucket          who waited was granted what they waited for before this
    budget_set             limits: {dimension: limit}       with job_id
    budget_reserved        reserved: {dimension: total now reserved}, spent: {…}, amounts: {dimension: of this action}
    budget_settled         reserved: {…}, spent: {dimension: total now spent}
    budget_warning         dimension, spent, limit          once a dimension, at 80 %
    budget_exhausted       dimension, spent, limit

Questions to people (``job_id``; ``action_id`` unless the whole job asks)::

    elicitation_requested  id, kind: "approval" | "input" | "auth" | "budget", prompt, choices [names], default (the
                           choice when it expires), default_value?, expires_ms?, tool?, parameters? {…} (of the call),
                           schema? (of the answer), digest? (of tool, arguments and folder), scope?, principal?,
                           blocking (actions that cannot start before the answer), detail? {…}, reference (what asks:
                           by it a run that resumes finds its question)
    elicitation_answered   id, kind, choice, value? (the answer, the edited parameters, the amounts of a top-up),
                           reason?, by, waited_ms, peer? {…}
    elicitation_expired    id, kind, choice, value?, waited_ms    nobody answered in time: the default counts
    elicitation_withdrawn  id, kind, reason, waited_ms            nobody needs an answer any more

Between the runs of a replan (no ``job_id``)::

    replan_attempted         failed_job, attempt, error
    replan_proposal_received failed_job, attempt, proposal_id
    replan_rejected          failed_job, attempt, error
    replan_exhausted         failed_job, attempts

State, checkpoints, operators, the store::

    state_committed        scope, changes: {key: {"op", "value"?}}, whole? (nothing was there before)   a change
                           outside a run (embedding code)
    checkpoint_saved       checkpoint_id, scope, name?, at_seq, keys (count), kind: "manual", by?
    checkpoint_restored    checkpoint_id, scope, state: {…} (the scope's whole new state; of a large one the first
                           part, state_committed tells the others), by
    operator_action        who, what, target?, detail?, peer?
    store_opened           version, pid, recovered: [job ids]
    policies_loaded        files: [names], rules (count)     the policy files in force, at the start and after a change
    policies_refused       error                             a change that was not taken; the rules in force stay
    config_reloaded        changed: [keys in force now], restart: [keys that wait for a restart]
    config_refused         error                             a headway.toml that was not taken; the one in force stays
    tools_changed          files: [names]                    code that is not what was loaded: new jobs are refused
    mcp_startup_update     server, status: "starting" | "ready" | "failed" | "cancelled", tools?: [names], error?
    mcp_startup_complete   ready: [servers], failed: [{server_name, error}], cancelled: [servers]
    mcp_server_changed     server, status: "lost" | "ready" | "failed", tools?, error?     after the start
    hook_changed           hook, sink, status: "failing" | "ok", error?      at most once in 10 s each
    hook_dropped           hook, dropped (events since the last one), total
    store_pruned           jobs: [ids], events (count), reason
    recorder_gap           dropped (count)

Threads (no ``job_id``; ``thread`` is the thread's id)::

    thread_created         source, name?, metadata, principal?, model?, provider?, cwd?, approval_policy?, sandbox?;
                           of a fork forked_from, base (how many messages it has from there), preview
    thread_changed         name?, model?, provider?, cwd?, approval_policy?, sandbox?
    thread_turn_started    turn
    thread_message         id, role, text, calls?, call_id?, name?, failed?, turn?
    thread_turn_ended      turn, status: "completed" | "failed" | "cancelled" | "interrupted", error?, model?,
                           input_tokens?, output_tokens?, cost?
    thread_checkpoint      checkpoint (its name), version, state
    thread_goal_set        goal (its id), objective, token_budget
    thread_goal_progress   goal, tokens, seconds, continuation?, status?
    thread_goal_cleared    goal
    thread_archived, thread_unarchived, thread_deleted

Schedules (no ``job_id``; ``name`` is the schedule's)::

    schedule_added         name, source: "config" | "api", workflow?, plan?, cron?, at?, timezone, missed, enabled, by?;
                           again after a change in headway.toml
    schedule_fired         name, slot_ms? (none: by hand), job_id?, error? (nothing was started), by?
    schedule_missed        name, count, more? (there were more), until_ms    slots for which nothing was started
    schedule_paused        name, by
    schedule_resumed       name, by
    schedule_removed       name, by

Learning, after a run (no ``job_id``: a job's last event is the one that ends it). In no view: the fold skips them::

    skill_distilled        skill, source: "success" | "failure", domain, scope, job_id, fallback? (why not by the model)
    skill_evolved          skill, domain, how: "candidate" | "promoted" | "repaired", revision, base?, fallback?
    skill_deprecated       skill, domain, reason
    evolution_triggered    domain, rate (0 to 1), trials, threshold
    consolidated           before, after, merged, dropped (counts of facts)
    learning_failed        step, error, job_id               a warning: the run itself is not touched
"""

from __future__ import annotations

JOB_CREATED = "job_created"
JOB_STARTED = "job_started"
JOB_PROGRESS = "job_progress"
JOB_REQUEUED = "job_requeued"
LEVEL_STARTED = "level_started"
LEVEL_FINISHED = "level_finished"
STATE_ROLLBACK = "state_rollback"
RUN_CANCEL_REQUESTED = "run_cancel_requested"
RUN_KILLED = "run_killed"
RUN_PAUSE_REQUESTED = "run_pause_requested"
RUN_PAUSED = "run_paused"
RUN_RESUMED = "run_resumed"
JOB_COMPLETED = "job_completed"
JOB_FAILED = "job_failed"
JOB_CANCELLED = "job_cancelled"

POLICY_VIOLATION = "policy_violation"
HOOK_VERDICT = "hook_verdict"
ACTION_EXECUTING = "action_executing"
ACTION_PROGRESS = "action_progress"
ACTION_CHUNK = "action_chunk"
ACTION_PRINT = "action_print"
ACTION_RETRYING = "action_retrying"
ACTION_DEDUPLICATED = "action_deduplicated"
ACTION_SUCCEEDED = "action_succeeded"
ACTION_FAILED = "action_failed"
ACTION_REJECTED = "action_rejected"
ACTION_SKIPPED = "action_skipped"

COMPENSATION_STARTED = "compensation_started"
COMPENSATION_SUCCEEDED = "compensation_succeeded"
COMPENSATION_FAILED = "compensation_failed"

LIMIT_CONFIGURED = "limit_configured"
RATE_LIMIT_WAIT = "rate_limit_wait"
RATE_LIMIT_GRANT = "rate_limit_grant"
RATE_LIMIT_RETURNED = "rate_limit_returned"
LIMIT_REMOVED = "limit_removed"
BUDGET_SET = "budget_set"
BUDGET_RESERVED = "budget_reserved"
BUDGET_SETTLED = "budget_settled"
BUDGET_WARNING = "budget_warning"
BUDGET_EXHAUSTED = "budget_exhausted"

ELICITATION_REQUESTED = "elicitation_requested"
ELICITATION_ANSWERED = "elicitation_answered"
ELICITATION_EXPIRED = "elicitation_expired"
ELICITATION_WITHDRAWN = "elicitation_withdrawn"

REPLAN_ATTEMPTED = "replan_attempted"
REPLAN_PROPOSAL_RECEIVED = "replan_proposal_received"
REPLAN_REJECTED = "replan_rejected"
REPLAN_EXHAUSTED = "replan_exhausted"

STATE_COMMITTED = "state_committed"
CHECKPOINT_SAVED = "checkpoint_saved"
CHECKPOINT_RESTORED = "checkpoint_restored"
OPERATOR_ACTION = "operator_action"
STORE_OPENED = "store_opened"
POLICIES_LOADED = "policies_loaded"
POLICIES_REFUSED = "policies_refused"
CONFIG_RELOADED = "config_reloaded"
CONFIG_REFUSED = "config_refused"
TOOLS_CHANGED = "tools_changed"
MCP_STARTUP_UPDATE = "mcp_startup_update"
MCP_STARTUP_COMPLETE = "mcp_startup_complete"
MCP_SERVER_CHANGED = "mcp_server_changed"
HOOK_CHANGED = "hook_changed"
HOOK_DROPPED = "hook_dropped"
STORE_PRUNED = "store_pruned"
RECORDER_GAP = "recorder_gap"

THREAD_CREATED = "thread_created"
THREAD_CHANGED = "thread_changed"
THREAD_TURN_STARTED = "thread_turn_started"
THREAD_MESSAGE = "thread_message"
THREAD_TURN_ENDED = "thread_turn_ended"
THREAD_CHECKPOINT = "thread_checkpoint"
THREAD_GOAL_SET = "thread_goal_set"
THREAD_GOAL_PROGRESS = "thread_goal_progress"
THREAD_GOAL_CLEARED = "thread_goal_cleared"
THREAD_ARCHIVED = "thread_archived"
THREAD_UNARCHIVED = "thread_unarchived"
THREAD_DELETED = "thread_deleted"

SCHEDULE_ADDED = "schedule_added"
SCHEDULE_FIRED = "schedule_fired"
SCHEDULE_MISSED = "schedule_missed"
SCHEDULE_PAUSED = "schedule_paused"
SCHEDULE_RESUMED = "schedule_resumed"
SCHEDULE_REMOVED = "schedule_removed"

SKILL_DISTILLED = "skill_distilled"
SKILL_EVOLVED = "skill_evolved"
SKILL_DEPRECATED = "skill_deprecated"
EVOLUTION_TRIGGERED = "evolution_triggered"
CONSOLIDATED = "consolidated"
LEARNING_FAILED = "learning_failed"

TERMINAL_JOB = frozenset({JOB_COMPLETED, JOB_FAILED, JOB_CANCELLED})
"""The events that end a job: exactly one of them, the last of the job's run."""

TERMINAL_ACTION = frozenset({ACTION_SUCCEEDED, ACTION_FAILED, ACTION_REJECTED, ACTION_SKIPPED})
"""The events that settle an action."""

CLOSED_ELICITATION = frozenset({ELICITATION_ANSWERED, ELICITATION_EXPIRED, ELICITATION_WITHDRAWN})
"""The events that close a question: the first of them counts."""

ELICITATION = CLOSED_ELICITATION | {ELICITATION_REQUESTED}
"""The events of questions."""

THREAD = frozenset(
    {THREAD_CREATED, THREAD_CHANGED, THREAD_TURN_STARTED, THREAD_MESSAGE, THREAD_TURN_ENDED, THREAD_CHECKPOINT}
    | {THREAD_GOAL_SET, THREAD_GOAL_PROGRESS, THREAD_GOAL_CLEARED, THREAD_ARCHIVED, THREAD_UNARCHIVED, THREAD_DELETED}
)
"""The kinds that tell of a thread: of no job."""

HOOK = frozenset({HOOK_CHANGED, HOOK_DROPPED})
"""The kinds that tell of hooks that events are told to."""

SCHEDULE = frozenset(
    {SCHEDULE_ADDED, SCHEDULE_FIRED, SCHEDULE_MISSED, SCHEDULE_PAUSED, SCHEDULE_RESUMED, SCHEDULE_REMOVED}
)
"""The kinds that tell of a schedule: of no job."""

LEARNING = frozenset(
    {SKILL_DISTILLED, SKILL_EVOLVED, SKILL_DEPRECATED, EVOLUTION_TRIGGERED, CONSOLIDATED, LEARNING_FAILED}
)
"""The kinds that tell what was learned from runs: of no job, in no view."""

ALL = frozenset(value for name, value in list(globals().items()) if name.isupper() and isinstance(value, str))
"""Every kind that this version writes."""
