"""Secrets: the type, the references, where values come from, and the one place that takes them out of what is written.

:class:`Secret` is a text that shows itself to nobody. A plan names a declared secret as ``secret://NAME``; a
:class:`Vault` resolves that for the tool alone, and a :class:`Redactor` replaces the value wherever it comes back.
``docs/secrets.md`` has the rules.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.secrets.marks import Marks, marks_of
    from headway.secrets.names import REDACTED, mask, secret_name
    from headway.secrets.redactor import Redactor
    from headway.secrets.secret import Secret
    from headway.secrets.sources import EnvironmentSource, FileSource, KeyringSource
    from headway.secrets.stream import RedactedStream
    from headway.secrets.vault import Declared, Vault

_HOME = {
    "Declared": "vault",
    "EnvironmentSource": "sources",
    "FileSource": "sources",
    "KeyringSource": "sources",
    "Marks": "marks",
    "REDACTED": "names",
    "RedactedStream": "stream",
    "Redactor": "redactor",
    "Secret": "secret",
    "Vault": "vault",
    "mask": "names",
    "marks_of": "marks",
    "secret_name": "names",
}

__all__ = [
    "REDACTED",
    "Declared",
    "EnvironmentSource",
    "FileSource",
    "KeyringSource",
    "Marks",
    "RedactedStream",
    "Redactor",
    "Secret",
    "Vault",
    "marks_of",
    "mask",
    "secret_name",
]

__getattr__, __dir__ = attach(__name__, _HOME)
