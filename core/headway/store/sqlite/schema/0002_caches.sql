-- Caches of what folding the events gives. All of it may be deleted: rebuild_caches() makes it anew.
-- A row may lie behind the log: its last_seq (or seq) says how far it was folded, and readers fold the rest.

-- One row a job, the fields of JobRow in their order. status goes
--
--   queued  -> running                        picked up
--   queued  -> cancelled | failed             before it started; failed with outcome rejected: refused at admission
--   running -> completed | failed | cancelled the end
--   running -> paused -> running              at a boundary, and on from there
--   paused  -> cancelled | failed             without going on
--   running -> queued                         waits for its retry
--
--              +----- retry -----+
--              v                 |
--   (new) -> queued --------> running ----+--> completed
--              |               ^   |      +--> failed
--              |               |   v      +--> cancelled
--              |              paused -----+--> failed, cancelled
--              +--> failed, cancelled
--
-- by the events job_created, job_started, run_paused, run_resumed, job_completed, job_failed, job_cancelled.
CREATE TABLE jobs (
    job_id        TEXT PRIMARY KEY,
    status        TEXT NOT NULL,
    outcome       TEXT,
    scope         TEXT NOT NULL,
    context_id    TEXT,
    title         TEXT NOT NULL,
    source        TEXT NOT NULL,
    principal     TEXT,
    proposal_id   TEXT NOT NULL,
    created_ms    INTEGER NOT NULL,
    started_ms    INTEGER,
    finished_ms   INTEGER,
    levels        INTEGER NOT NULL,
    levels_done   INTEGER NOT NULL,
    actions       INTEGER NOT NULL,
    succeeded     INTEGER NOT NULL,
    failed        INTEGER NOT NULL,
    skipped       INTEGER NOT NULL,
    rejected      INTEGER NOT NULL,
    error         TEXT,
    cancel_reason TEXT,
    forked_from   TEXT,
    waiting_for   TEXT NOT NULL,
    first_seq     INTEGER NOT NULL,
    last_seq      INTEGER NOT NULL
) WITHOUT ROWID;

CREATE INDEX jobs_by_age ON jobs (first_seq);
CREATE INDEX jobs_by_status ON jobs (status, first_seq);
CREATE INDEX jobs_by_scope ON jobs (scope, first_seq);

-- Folded views, as JSON, each with the log up to seq in it.
--   view = 'run',    key = job id:  a RunView of a long job, several seqs
--   view = 'state',  key = scope:   a StateView, several seqs
--   view = 'budget', key = job id:  a BudgetRow, the newest only
--   view = 'limits', key = '':      the LimitsView, the newest only
CREATE TABLE snapshots (
    view TEXT NOT NULL,
    key  TEXT NOT NULL,
    seq  INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (view, key, seq)
);
