"""One run of a plan: its levels, attempts, compensation, cancel, and resumption."""
