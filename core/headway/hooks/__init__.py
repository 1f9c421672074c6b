"""Hooks: who is told of events (:mod:`headway.hooks.hooks`), and what judges calls (:mod:`headway.hooks.gate`)."""
