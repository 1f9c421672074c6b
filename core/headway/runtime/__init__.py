"""The runtime: the facade, and the executor under it."""
