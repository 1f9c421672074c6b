"""Trust: who could have written what is loaded, whose code is loaded, and what plans may never touch.

:mod:`~headway.trust.ownership` refuses files that others could have written, :mod:`~headway.trust.projects` is the
user's list of trusted projects, :mod:`~headway.trust.control` knows the control files.
"""

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.trust.control import ControlFiles, closed_now
    from headway.trust.ownership import User, check_path, check_tree, read_owned
    from headway.trust.projects import TrustedProject, TrustedProjects, trust_folder
    from headway.trust.trail import open_to_all

_HOME = {
    "ControlFiles": "control",
    "TrustedProject": "projects",
    "TrustedProjects": "projects",
    "User": "ownership",
    "check_path": "ownership",
    "check_tree": "ownership",
    "closed_now": "control",
    "open_to_all": "trail",
    "read_owned": "ownership",
    "trust_folder": "projects",
}

__all__ = [
    "ControlFiles",
    "TrustedProject",
    "TrustedProjects",
    "User",
    "check_path",
    "check_tree",
    "closed_now",
    "open_to_all",
    "read_owned",
    "trust_folder",
]

__getattr__, __dir__ = attach(__name__, _HOME)
