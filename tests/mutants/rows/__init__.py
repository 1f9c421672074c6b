"""The mutants, a file for each room; ``values`` has those of the files that lie in none."""
