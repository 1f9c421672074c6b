"""Terminal front of Headway: the Textual console, recordings and the command line."""
