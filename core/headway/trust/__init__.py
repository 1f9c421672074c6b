"""Trust: who could have written what is loaded, whose code is loaded, and what plans may never touch.

:mod:`~headway.trust.ownership` refuses files that others could have written, :mod:`~headway.trust.projects` is the
user's list of trusted projects, :mod:`~headway.trust.control` knows the control files.
"""

from headway.trust.control import ControlFiles, closed_now
from headway.trust.ownership import User, check_path, check_tree, open_to_all, read_owned
from headway.trust.projects import TrustedProject, TrustedProjects, trust_folder

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
