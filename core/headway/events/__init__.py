"""Events: what is recorded, how it is followed, and what can be read from it.

- :mod:`~headway.events.event` the envelope, :mod:`~headway.events.kinds` the kinds and their data
- :mod:`~headway.events.log` the log, :mod:`~headway.events.subscription` a reader that follows it
- :mod:`~headway.events.views` the views, :mod:`~headway.events.fold` the pure function that makes them
- :mod:`~headway.events.critical_path` questions a run's view can answer
- :mod:`~headway.events.recording` a run in a file
"""
