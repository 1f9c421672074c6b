"""Stages: the rules that an action passes, in order, before its tool is called. See :mod:`.table` for the order."""
