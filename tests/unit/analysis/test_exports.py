"""``import headway.analysis``: its names are complete, sorted, documented, and stand apart from its modules."""

from __future__ import annotations

import pkgutil

from headway import analysis


def test_all_is_sorted_and_complete() -> None:
    listed = analysis.__all__
    assert list(listed) == sorted(set(listed), key=lambda name: (not name[0].isupper(), name))
    assert set(listed) == set(analysis._HOME)
    assert dir(analysis) == sorted(listed)


def test_each_name_is_there_and_says_what_it_is() -> None:
    assert all((getattr(analysis, name).__doc__ or "").strip() for name in analysis.__all__)


def test_no_module_hides_a_name() -> None:
    modules = {module.name for module in pkgutil.iter_modules(analysis.__path__)}
    assert not modules & set(analysis.__all__)
