"""Jobs: runs with a life of their own, from submission to their terminal event and beyond."""
