# Written by python -m tests.stub from the table in __init__.py.

from headway import analysis as analysis
from headway import clock as clock
from headway import elicitation as elicitation
from headway import inference as inference
from headway import learning as learning
from headway import limits as limits
from headway import policy as policy
from headway import secrets as secrets
from headway import testing as testing
from headway import tools as tools
from headway.cancellation import CancellationToken as CancellationToken
from headway.control_plane import ControlPlane as ControlPlane
from headway.engine import Engine as Engine
from headway.errors import Conflict as Conflict
from headway.errors import EgressError as EgressError
from headway.errors import EgressRefused as EgressRefused
from headway.errors import HeadwayError as HeadwayError
from headway.errors import HomeLocked as HomeLocked
from headway.errors import InferenceError as InferenceError
from headway.errors import InferenceRefused as InferenceRefused
from headway.errors import InvalidConfig as InvalidConfig
from headway.errors import InvalidInput as InvalidInput
from headway.errors import InvalidPlan as InvalidPlan
from headway.errors import InvalidTransition as InvalidTransition
from headway.errors import LogFull as LogFull
from headway.errors import NotAnswered as NotAnswered
from headway.errors import NotFound as NotFound
from headway.errors import Overloaded as Overloaded
from headway.errors import SecretUnavailable as SecretUnavailable
from headway.errors import StoreError as StoreError
from headway.errors import StoreTooNew as StoreTooNew
from headway.errors import StoreUnreadable as StoreUnreadable
from headway.errors import TerminalToolError as TerminalToolError
from headway.errors import ToolError as ToolError
from headway.errors import Unavailable as Unavailable
from headway.events.checkpoint import RuntimeCheckpoint as RuntimeCheckpoint
from headway.events.event import Event as Event
from headway.events.fold import fold as fold
from headway.events.log import EventLog as EventLog
from headway.events.views import RunView as RunView
from headway.home import Home as Home
from headway.jobs.handle import RunHandle as RunHandle
from headway.jobs.replan import ReplanConfig as ReplanConfig
from headway.jobs.replan import ReplanContext as ReplanContext
from headway.jobs.scope import Scope as Scope
from headway.jobs.submission import Submission as Submission
from headway.limits.budget import CostBudget as CostBudget
from headway.plan.builder import Plan as Plan
from headway.plan.format import Action as Action
from headway.plan.format import ActionProposal as ActionProposal
from headway.plan.format import Precondition as Precondition
from headway.plan.parse import parse_proposal as parse_proposal
from headway.plan.results import ActionResult as ActionResult
from headway.plan.results import ActionStatus as ActionStatus
from headway.plan.results import CostSummary as CostSummary
from headway.plan.results import ErrorCode as ErrorCode
from headway.plan.results import ProposalResult as ProposalResult
from headway.plan.results import ReplanStep as ReplanStep
from headway.plan.verify import Issue as Issue
from headway.plan.verify import VerifyReport as VerifyReport
from headway.plan.verify import verify as verify
from headway.runtime import Runtime as Runtime
from headway.script import run_sync as run_sync
from headway.secrets.secret import Secret as Secret
from headway.state import StateStore as StateStore
from headway.store import StoreLog as StoreLog
from headway.tools.context import ToolContext as ToolContext
from headway.tools.context import ToolResult as ToolResult
from headway.tools.decorator import tool as tool
from headway.tools.schema import ToolSchema as ToolSchema

_ROOMS: tuple[str, ...]
_HOME: dict[str, str]

__version__: str
__all__ = [
    "Action",
    "ActionProposal",
    "ActionResult",
    "ActionStatus",
    "CancellationToken",
    "Conflict",
    "ControlPlane",
    "CostBudget",
    "CostSummary",
    "EgressError",
    "EgressRefused",
    "Engine",
    "ErrorCode",
    "Event",
    "EventLog",
    "HeadwayError",
    "Home",
    "HomeLocked",
    "InferenceError",
    "InferenceRefused",
    "InvalidConfig",
    "InvalidInput",
    "InvalidPlan",
    "InvalidTransition",
    "Issue",
    "LogFull",
    "NotAnswered",
    "NotFound",
    "Overloaded",
    "Plan",
    "Precondition",
    "ProposalResult",
    "ReplanConfig",
    "ReplanContext",
    "ReplanStep",
    "RunHandle",
    "RunView",
    "Runtime",
    "RuntimeCheckpoint",
    "Scope",
    "Secret",
    "SecretUnavailable",
    "StateStore",
    "StoreError",
    "StoreLog",
    "StoreTooNew",
    "StoreUnreadable",
    "Submission",
    "TerminalToolError",
    "ToolContext",
    "ToolError",
    "ToolResult",
    "ToolSchema",
    "Unavailable",
    "VerifyReport",
    "__version__",
    "fold",
    "parse_proposal",
    "run_sync",
    "tool",
    "verify",
]
