"""Tools on files, and the workspace that they are confined to."""
