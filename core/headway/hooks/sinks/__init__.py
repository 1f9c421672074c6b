"""Sinks: where events are told. Each is one file, and one row in :mod:`headway.hooks.sinks.table`."""
