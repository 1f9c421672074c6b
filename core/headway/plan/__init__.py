"""Plans: the wire format, the graph and the analyses that run nothing."""
