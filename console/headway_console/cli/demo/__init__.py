"""The demo: a minute of several runs, again and again, in a home of its own."""
