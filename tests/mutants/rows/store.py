"""Faults in the durable log."""

from __future__ import annotations

from tests.mutants.mutant import STORE, Mutant

ROWS = [
    Mutant(
        "a commit is on disk only sometimes",
        "store/sqlite/connect.py",
        'connection.execute("PRAGMA synchronous = FULL")',
        'connection.execute("PRAGMA synchronous = NORMAL")',
        (STORE + "test_acknowledged.py",),
    ),
    Mutant(
        "a commit that arrived despite an error is made again",
        "store/sqlite/writer.py",
        "return bool(chunk) and _last_seq(connection) == self._last_seq + len(chunk)",
        "return False",
        (STORE + "test_failures.py",),
    ),
    Mutant(
        "a commit that failed counts as made",
        "store/sqlite/writer.py",
        "return bool(chunk) and _last_seq(connection) == self._last_seq + len(chunk)",
        "return bool(chunk)",
        (STORE + "test_failures.py",),
    ),
    Mutant(
        "a write is acknowledged when it is handed over",
        "store/sqlite/log.py",
        "        await self._until(self._appended)\n        return packed[-1].event.seq\n\n    async def flush",
        "        return packed[-1].event.seq\n\n    async def flush",
        (STORE + "test_acknowledged.py", STORE + "test_log.py"),
    ),
    Mutant(
        "a refused commit loses its events",
        "store/sqlite/writer.py",
        "                self._post(self._listener.refused, store_error(error, self._path), self._taken)\n"
        "                return False\n",
        "                self._post(self._listener.refused, store_error(error, self._path), self._taken)\n"
        "                self._backlog.clear()\n                return False\n",
        (STORE + "test_failures.py",),
    ),
    Mutant(
        "one bad event stops all",
        "store/sqlite/writer.py",
        "chunk = [_mended(packed) for packed in chunk]",
        "pass",
        (STORE + "test_log.py",),
    ),
    Mutant(
        "the size of a large value is not looked at",
        "store/sqlite/codec.py",
        "if len(body) > most:",
        "if False:",
        (STORE + "test_blobs.py",),
    ),
    Mutant(
        "a value that looks like a reference acts as one",
        "store/sqlite/codec.py",
        "if large or is_reference(value):",
        "if large:",
        (STORE + "test_blobs.py",),
    ),
    Mutant(
        "a blob that others need goes with a pruned job",
        "store/sqlite/prune.py",
        'f"DELETE FROM blobs WHERE hash = ? AND {unused}"',
        'f"DELETE FROM blobs WHERE hash = ? OR {unused}"',
        (STORE + "test_blobs.py", STORE + "test_prune.py"),
    ),
    Mutant(
        "a scope's state goes with its pruned jobs",
        "store/sqlite/prune.py",
        '            connection.execute(_SET_BASE, ("state", scope, base_seq, body))\n',
        "",
        (STORE + "test_prune.py",),
    ),
    Mutant(
        "a job that a checkpoint needs is pruned",
        "store/sqlite/prune.py",
        "if ended and not needed and row.scope not in self._held:",
        "if ended and row.scope not in self._held:",
        (STORE + "test_prune.py",),
    ),
    Mutant(
        "a job is pruned though an older one of its scope stays",
        "store/sqlite/prune.py",
        "if ended and not needed and row.scope not in self._held:",
        "if ended and not needed:",
        (STORE + "test_prune.py",),
    ),
    Mutant(
        "prune starts with the newest jobs",
        "store/sqlite/prune.py",
        '    ORDER BY seq LIMIT ?\n    """\n\n_NEEDED',
        '    ORDER BY seq DESC LIMIT ?\n    """\n\n_NEEDED',
        (STORE + "test_prune.py",),
    ),
    Mutant(
        "prune takes jobs that run",
        "store/sqlite/prune.py",
        "ended = row.finished_ms is not None and row.finished_ms <= self._cutoff_ms",
        "ended = (row.finished_ms or 0) <= self._cutoff_ms",
        (STORE + "test_prune.py",),
    ),
    Mutant(
        "a reader takes the cached row of a job for the present one",
        "store/sqlite/queries.py",
        "    found = yield from _up_to_date(job_id, row)\n    if found is None:",
        "    found = row\n    if found is None:",
        (STORE + "test_views.py", STORE + "test_reader.py"),
    ),
    Mutant(
        "a run's view forgets the events after its snapshot",
        "store/sqlite/queries.py",
        "    after = int(rows[0][0]) if rows else 0\n    while True:\n"
        "        page = yield from events(after, before=min(end, _END - 1) + 1, job_id=job_id, limit=PAGE)",
        "    after = int(rows[0][0]) + 1 if rows else 0\n    while True:\n"
        "        page = yield from events(after, before=min(end, _END - 1) + 1, job_id=job_id, limit=PAGE)",
        (STORE + "test_views.py",),
    ),
    Mutant(
        "caches of another log are believed",
        "store/sqlite/caches.py",
        "if folded is None or folded > head or _emptied(connection) or known != (_names(),):",
        "if folded is None or folded > head:",
        (STORE + "test_views.py",),
    ),
    Mutant(
        "who asks for one job takes the news from the other views",
        "store/memory.py",
        "        self.live.news()\n        news = self._unseen(self.log.last_seq)\n",
        "        news = self.live.news()\n",
        (STORE + "test_conformance.py",),
    ),
]
