-- What a log can be asked before its caches are there, and claims.

-- One row a job that has no terminal event, written with the events: part of the truth's index, not of the caches.
--
--   (none) -> row    job_created
--   row    -> (none) job_completed, job_failed, job_cancelled
CREATE TABLE unfinished (
    job_id TEXT PRIMARY KEY,
    seq    INTEGER NOT NULL            -- of its job_created
) WITHOUT ROWID;

CREATE INDEX events_of_creation ON events (seq) WHERE kind = 'job_created';

INSERT INTO unfinished (job_id, seq)
    SELECT job_id, max(seq) FROM events AS made
    WHERE kind = 'job_created' AND job_id IS NOT NULL AND job_id NOT IN (SELECT job_id FROM pruned_jobs)
    AND NOT EXISTS (
        SELECT 1 FROM events AS ended WHERE ended.job_id = made.job_id AND ended.seq > made.seq
        AND ended.kind IN ('job_completed', 'job_failed', 'job_cancelled')
    )
    GROUP BY job_id;

-- The right of one owner to something by name, for a time. A row stays when its claim is released: its token, which
-- fences off who held it before, only grows.
--
--   (none) | released | run out -> held     claim: token + 1
--   held                        -> held     renew: the same token, a later until_ms
--   held                        -> released release: until_ms = 0
CREATE TABLE claims (
    name     TEXT PRIMARY KEY,
    owner    TEXT NOT NULL,
    token    INTEGER NOT NULL,
    until_ms INTEGER NOT NULL          -- since 1970
) WITHOUT ROWID;

-- Caches are now folded behind the log: meta.views names the views over the whole log that are whole up to meta.folded,
-- and snapshots go by the names of the table of views (headway.events.fold.table).
--   view = 'jobs' is the table jobs; view = 'budgets', key = job id: a BudgetRow; view = 'limits', key = ''
UPDATE snapshots SET view = 'budgets' WHERE view = 'budget';
INSERT INTO meta (key, value) SELECT 'views', 'budgets jobs limits' WHERE EXISTS (SELECT 1 FROM meta WHERE key = 'folded');
