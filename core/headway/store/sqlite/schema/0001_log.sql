-- The truth: what happened (events), what was kept of it on purpose (checkpoints), large values (blobs), and what
-- pruned events amounted to (bases). Nothing else in the file is needed: see 0002_caches.sql.

PRAGMA application_id = 1212438361; -- "HDWY"

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;

-- One row an event. seq has no gap as long as nothing is pruned; it is assigned inside the transaction that inserts.
-- data is JSON text. A value in it that is over 64 KiB is {"$blob": "sha256:<hex>", "size": <bytes>}.
CREATE TABLE events (
    seq         INTEGER PRIMARY KEY,
    ts          INTEGER NOT NULL,   -- ms since 1970, for people: order is seq's
    kind        TEXT NOT NULL,
    tenant      TEXT,
    job_id      TEXT,
    proposal_id TEXT,
    action_id   TEXT,
    level       INTEGER,
    attempt     INTEGER,            -- from 1
    trace_id    TEXT,
    data        TEXT NOT NULL
);

CREATE INDEX events_by_job ON events (job_id, seq);

-- Append-only. Retention alone may delete, and says so in meta within the same transaction.
CREATE TRIGGER events_keep BEFORE UPDATE ON events
BEGIN
    SELECT RAISE(ABORT, 'events are append-only');
END;

CREATE TRIGGER events_stay BEFORE DELETE ON events
WHEN NOT EXISTS (SELECT 1 FROM meta WHERE key = 'pruning')
BEGIN
    SELECT RAISE(ABORT, 'events are append-only');
END;

-- Large values by content. hash is "sha256:<hex>" of body, size its length; body is JSON text as UTF-8.
CREATE TABLE blobs (
    hash TEXT PRIMARY KEY,
    size INTEGER NOT NULL,
    body BLOB NOT NULL
);

-- Which event needs which blob: a blob without a row here is garbage.
CREATE TABLE blob_refs (
    seq  INTEGER NOT NULL,
    hash TEXT NOT NULL,
    PRIMARY KEY (seq, hash)
) WITHOUT ROWID;

CREATE INDEX blob_refs_by_hash ON blob_refs (hash);

-- Checkpoints that were asked for, whole. (The end of each level is one too: a seq, rebuilt by folding.)
CREATE TABLE checkpoints (
    id         TEXT PRIMARY KEY,
    kind       TEXT NOT NULL,       -- manual | file
    scope      TEXT NOT NULL,
    job_id     TEXT,                -- the job whose results it holds; that job is not pruned
    name       TEXT,
    seq        INTEGER NOT NULL,    -- what it shows is the log up to here
    created_ms INTEGER NOT NULL,
    keys       INTEGER NOT NULL,    -- of the state
    done       INTEGER NOT NULL,    -- settled actions of the job
    total      INTEGER NOT NULL,
    body       TEXT NOT NULL        -- JSON: version, state, results, graph, budget, buckets
);

CREATE INDEX checkpoints_by_job ON checkpoints (job_id);
CREATE INDEX checkpoints_by_scope ON checkpoints (scope);

-- What pruned events amounted to: a fold starts here and goes on with the events after seq.
--   view = 'state', key = scope: the scope's state once its pruned jobs had ended
--   view = 'limits', key = '':   every token bucket when the last prune was made
CREATE TABLE bases (
    view TEXT NOT NULL,
    key  TEXT NOT NULL,
    seq  INTEGER NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (view, key)
);

-- Jobs whose events are being pruned in small transactions; store_pruned already names them.
CREATE TABLE pruned_jobs (
    job_id TEXT PRIMARY KEY
) WITHOUT ROWID;

-- The few events that set a scope's state from outside its runs.
CREATE INDEX events_on_state ON events (seq) WHERE kind IN ('state_committed', 'checkpoint_restored');
