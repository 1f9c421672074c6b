"""Tools that run programs: a shell, and children that are asked in JSON-RPC."""
