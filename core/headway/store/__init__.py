"""The store: one SQLite file a home, one writer thread, any number of readers."""
