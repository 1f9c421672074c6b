"""The peers that Headway is measured beside. Each script runs in an environment of its own: ``make bench-peers``."""
