-- Rows of jobs that are retried, paused, or done elsewhere. status goes
--
--              +--- retry, lease, restart ---+
--              v                             |
--   (new) -> queued ------------------> running ----> completed
--            ^ | |                        | |
--     resume | | +---> paused <--- pause -+ +-------> failed, cancelled
--            +-|--------- | |
--              |            +-----------------------> failed, cancelled
--              +------------------------------------> failed, cancelled
--
-- by the events job_created, job_started, job_requeued, run_paused, run_resumed, and those that end a job.
ALTER TABLE jobs ADD COLUMN work TEXT NOT NULL DEFAULT '';          -- '' a plan | call:TOOL | workflow:NAME | external
ALTER TABLE jobs ADD COLUMN priority INTEGER NOT NULL DEFAULT 0;    -- the greater first
ALTER TABLE jobs ADD COLUMN attempt INTEGER NOT NULL DEFAULT 0;     -- retries so far
ALTER TABLE jobs ADD COLUMN max_retries INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN next_retry_ms INTEGER;                  -- since 1970, while it waits for a retry
ALTER TABLE jobs ADD COLUMN pause_reason TEXT;
ALTER TABLE jobs ADD COLUMN progress REAL;                          -- percent
ALTER TABLE jobs ADD COLUMN detail TEXT;
ALTER TABLE jobs ADD COLUMN worker TEXT;                            -- who has an external job
