"""Learning from runs: trajectories, skills, facts. Nothing here can fail a run."""
