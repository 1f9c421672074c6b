"""Limits: token buckets that make actions wait, budgets that stop them."""
