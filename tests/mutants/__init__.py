"""Mutants: the code with one fault in it, which the tests must find.

``python -m tests.mutants`` (``make mutants``) runs those of :mod:`tests.mutants.table`; :mod:`tests.mutants.car` those
of the names that docs/car-compat.md lists.
"""
