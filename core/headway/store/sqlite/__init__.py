"""The store in one SQLite file: a writer's thread with stdlib sqlite3, readers through aiosqlite."""
