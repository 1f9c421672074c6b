-- The messages and checkpoints of threads, by thread: what a page of a thread needs of the log.
--
-- A thread goes, by the events thread_created, thread_turn_started, thread_turn_ended, thread_archived,
-- thread_unarchived, thread_deleted (its row is in the view threads, a snapshot):
--
--   (new) -> idle -> running -> idle | failed
--            idle | failed -> archived -> as it was
--            idle | failed | archived -> (deleted)
CREATE INDEX events_of_threads ON events (json_extract(data, '$.thread'), seq)
    WHERE kind IN ('thread_message', 'thread_checkpoint');
