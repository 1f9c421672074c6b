"""Plans: the wire format, the builder, the graph and what must hold before a plan runs."""
