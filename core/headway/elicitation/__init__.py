"""Elicitation: questions to people, asked once and answered once, durable until then.

Approvals, values, sign-ins and budgets that ran out are one noun with one record, folded from events as everything is
(:class:`~headway.events.views.Elicitation`, :class:`~headway.events.views.InboxView`). A run asks through a port
(``execution/asking.py``); the :class:`~headway.elicitation.desk.Desk` of its log keeps what is open and hands answers
on; faces answer through :class:`~headway.elicitation.elicitations.Elicitations`. The names below are imported on first
use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.elicitation.elicitations import Elicitations
    from headway.events.views import Elicitation, InboxView
    from headway.execution.asking import Answer

_HOME = {
    "Answer": "execution.asking",
    "Elicitation": "events.views",
    "Elicitations": "elicitation.elicitations",
    "InboxView": "events.views",
}

__all__ = ["Answer", "Elicitation", "Elicitations", "InboxView"]

__getattr__, __dir__ = attach("headway", _HOME)
