"""Analyses of plans that run nothing.

``simulate`` and ``simulate_monte_carlo`` run a plan on paper, ``analyze_schedule`` gives its times, ``equivalent``
compares two, ``optimize`` leaves out what says nothing, ``transaction_check`` finds actions that meet on the same state
and ``rank_proposals`` weighs candidates. The names below are imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from headway._lazy import attach

if TYPE_CHECKING:
    from headway.analysis.equivalence import Equivalence, equivalent
    from headway.analysis.montecarlo import MonteCarlo, simulate_monte_carlo
    from headway.analysis.optimization import Optimized, Removal, optimize
    from headway.analysis.schedule import Schedule, analyze_schedule
    from headway.analysis.scoring import PlannerConfig, PlanScore, ToolFeedback, rank_proposals, score_proposal
    from headway.analysis.simulation import SimulatedAction, Simulation, simulate
    from headway.analysis.transaction import TransactionConflict, transaction_check

_HOME = {
    "Equivalence": "equivalence",
    "MonteCarlo": "montecarlo",
    "Optimized": "optimization",
    "PlanScore": "scoring",
    "PlannerConfig": "scoring",
    "Removal": "optimization",
    "Schedule": "schedule",
    "SimulatedAction": "simulation",
    "Simulation": "simulation",
    "ToolFeedback": "scoring",
    "TransactionConflict": "transaction",
    "analyze_schedule": "schedule",
    "equivalent": "equivalence",
    "optimize": "optimization",
    "rank_proposals": "scoring",
    "score_proposal": "scoring",
    "simulate": "simulation",
    "simulate_monte_carlo": "montecarlo",
    "transaction_check": "transaction",
}

__all__ = [
    "Equivalence",
    "MonteCarlo",
    "Optimized",
    "PlanScore",
    "PlannerConfig",
    "Removal",
    "Schedule",
    "SimulatedAction",
    "Simulation",
    "ToolFeedback",
    "TransactionConflict",
    "analyze_schedule",
    "equivalent",
    "optimize",
    "rank_proposals",
    "score_proposal",
    "simulate",
    "simulate_monte_carlo",
    "transaction_check",
]

__getattr__, __dir__ = attach(__name__, _HOME)
