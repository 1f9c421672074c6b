"""Dispatch: the one way to a tool."""
