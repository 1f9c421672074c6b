"""Hooks: who is told of events (:mod:`headway.hooks.hooks`), and where (:mod:`headway.hooks.sinks`)."""
