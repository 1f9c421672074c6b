"""The local dispatcher: a coroutine tool becomes a task, a blocking one a call in a daemon thread.

A coroutine that ignores its cancellation is left behind after a grace. A thread cannot be stopped and is left behind
as soon as nobody waits for it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from functools import partial
from typing import Any

from headway.cancellation import LeftBehind
from headway.clock import SYSTEM_CLOCK, Clock, TimerHandle, clock_of
from headway.dispatch.progress import Progress
from headway.dispatch.protocol import KILL_GRACE_S, Call, CallRequest, Cause, Health
from headway.errors import ToolError, describe
from headway.events import kinds
from headway.numbers import timeout_s
from headway.state import StateSnapshot
from headway.thread_pool import DaemonThreads, ThreadCall
from headway.tools.chunks import ChunkEvents
from headway.tools.context import ToolContext
from headway.tools.printing import Prints, begin_printing, captured, printing

MAX_THREADS = 64
_TICK_S = 0.001


class _FirstStep:
    """An awaitable that gives way once, as ``asyncio.sleep(0)`` does."""

    def __await__(self) -> Generator[None, None, None]:
        yield


_FIRST_STEP = _FirstStep()


class LocalCall(Call):
    """A call in this process. ``future`` is its task, or its place in a thread."""

    future: asyncio.Future[Any]
    timer: TimerHandle | None = None
    context: ToolContext | None = None
    progress: Progress | None = None
    chunks: ChunkEvents | None = None
    prints: Prints | None = None


class LocalDispatcher:
    """Calls tools in this process; blocking ones in ``threads``, by default 64 of its own.

    ``left_behind`` keeps the tasks that did not end when they were told to.
    """

    def __init__(
        self,
        clock: Clock = SYSTEM_CLOCK,
        threads: DaemonThreads | None = None,
        left_behind: LeftBehind | None = None,
    ) -> None:
        self._clock = clock_of(clock)
        self._now = clock.now
        self.threads = threads if threads is not None else DaemonThreads(MAX_THREADS)
        self.left_behind = left_behind if left_behind is not None else LeftBehind()
        self._running = 0

    def call(self, request: CallRequest) -> LocalCall:
        """Begin a call: see :meth:`~headway.dispatch.protocol.Dispatcher.call`."""
        call = LocalCall(request, self._now())
        self._running += 1
        entry = request.entry
        if entry.context_param is not None:
            self._open_context(call)
        if request.report is not None and captured():
            call.prints = Prints(self._clock, partial(request.report, kinds.ACTION_PRINT), request.redactor)
        if entry.is_async:
            call.begun = True
            driver = self._drive(call)
            driver.send(None)  # to its first step: from there on it notes its own end, whoever cancels it
            call.future = _task(driver, entry.name)
        else:
            call.future = self._submit(call)
            call.future.add_done_callback(partial(self._returned, call))
        if request.timeout_ms is not None:
            call.timer = self._clock.call_later(timeout_s(request.timeout_ms), self._expired, call)
        return call

    def cancel(self, call: Call, reason: str) -> bool:
        """Take back a call that waits for a thread, and the questions of one that has begun."""
        if not isinstance(call, LocalCall) or call.done:
            return False
        if call.begun and call.questions is not None:
            call.questions.close(f"canceled: {reason}")
        if not isinstance(call.future, ThreadCall):
            return False
        if not call.future.withdraw():
            return False
        call.cause, call.reason = call.cause or Cause.WITHDRAWN, reason
        return True

    def kill(self, call: Call, *, now: bool = False) -> None:
        """Cut a call off."""
        if isinstance(call, LocalCall) and not call.done:
            self._cut_off(call, Cause.KILLED, now=now)

    def health(self) -> Health:
        """Return the numbers of calls that run, wait for a thread, and were left behind."""
        threads = self.threads.statistics()
        abandoned = threads.abandoned + len(self.left_behind)
        return Health(not self.threads.stuck, self._running, threads.queued, abandoned)

    # -- the tool ------------------------------------------------------------------------------------------------

    async def _drive(self, call: LocalCall) -> None:
        """Call a coroutine tool, in a task of its own, and note the end."""
        try:
            await _FIRST_STEP
            if call.prints is not None:
                begin_printing(call.prints)  # the task's own context, which ends with it
            tool, request = call.request.entry, call.request
            if request.parameters or call.context is not None:
                call.value = await tool.call(**_arguments(call))
            else:
                call.value = await tool.call()
        except asyncio.CancelledError as error:
            self._end(call, error)
            raise
        except SystemExit as error:  # asyncio would let it end the process
            self._end(call, ToolError(describe(error)))
        except Exception as error:  # noqa: BLE001 - whatever a tool raises is its outcome
            self._end(call, error)
        except GeneratorExit:  # the loop is gone, and so is whoever waited
            raise
        except BaseException as error:
            self._end(call, error)
            call.future.add_done_callback(lambda task: task.cancelled() or task.exception())  # seen
            raise  # an interrupt from the keyboard is for the program too
        else:
            self._end(call, None)

    def _submit(self, call: LocalCall) -> asyncio.Future[Any]:
        """Call a blocking tool in a thread."""
        try:
            arguments = _arguments(call)
            return self.threads.submit(self._in_thread, call, arguments)
        except Exception as error:  # noqa: BLE001 - threads that take nothing, parameters that cannot be copied
            failed: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
            failed.set_exception(error)
            return failed

    def _in_thread(self, call: LocalCall, arguments: dict[str, Any]) -> Any:
        """Make the call, in its thread. Its time begins here: waiting for a thread is not the tool's."""
        call.started = self._now()
        if call.context is not None and call.request.timeout_ms is not None:
            call.context.deadline = call.started + timeout_s(call.request.timeout_ms)
        call.begun = True
        tool = call.request.entry
        if call.prints is None:
            return tool.call(**arguments)
        with printing(call.prints):
            return tool.call(**arguments)

    def _open_context(self, call: LocalCall) -> None:
        """Make what the tool is told about its call, and the way back for its progress and chunks."""
        request, clock = call.request, self._clock
        cancel, state, workspace, sandbox = request.surroundings
        if request.report is not None:
            call.progress = Progress(clock, partial(request.report, kinds.ACTION_PROGRESS))
            call.chunks = ChunkEvents(clock, partial(request.report, kinds.ACTION_CHUNK), request.redactor)
        if request.ask is not None:
            from headway.dispatch.asking import Questions  # most tools ask nothing, nor take a context

            call.questions = Questions(clock, request.ask, partial(self._resumed, call))
        timeout_ms = request.timeout_ms
        call.context = ToolContext(
            job_id=request.job_id,
            action_id=request.action_id,
            attempt=request.attempt,
            idempotency_key=request.idempotency_key,
            cancel=cancel,
            deadline=call.started + timeout_s(timeout_ms) if timeout_ms is not None else None,
            state=StateSnapshot(state),
            workspace=workspace,
            sandbox=sandbox,
            clock=clock,
            progress=call.progress.report if call.progress is not None else None,
            chunks=call.chunks.report if call.chunks is not None else None,
            ask=call.questions.ask if call.questions is not None else None,
        )

    # -- the end -------------------------------------------------------------------------------------------------

    def _returned(self, call: LocalCall, future: asyncio.Future[Any]) -> None:
        """Note the end of a call in a thread."""
        error: BaseException | None
        try:
            error = future.exception()
        except asyncio.CancelledError as cancelled:
            error = cancelled
        if not call.done and error is None:
            call.value = future.result()
        self._end(call, error)

    def _end(self, call: LocalCall, error: BaseException | None) -> None:
        if call.ended is not None:  # it was left behind before
            return
        call.ended = self._now()
        if call.questions is not None:
            call.questions.close("the call has ended")
        call.error = error
        self._running -= 1
        if call.timer is not None:
            call.timer.cancel()
            call.timer = None
        if call.progress is not None:
            call.progress.close()
        if call.chunks is not None:
            call.chunks.close()
        if call.prints is not None:
            call.prints.close()
        call.request.on_end(call)

    def _expired(self, call: LocalCall) -> None:
        timeout = timeout_s(call.request.timeout_ms or 0)
        waits = not call.begun and not self.threads.stuck
        questions = call.questions
        if questions is not None and questions.open:
            call.timer = None  # it waits for a person, which is not the tool's time
            return
        asked = questions.waited if questions is not None else 0.0
        left = timeout if waits else call.started + timeout + asked - self._now()
        if left > _TICK_S:  # it waited for its thread
            call.timer = self._clock.call_later(left, self._expired, call)
            return
        call.timer = None
        self._cut_off(call, Cause.TIMEOUT)

    def _resumed(self, call: LocalCall) -> None:
        """Let the time of a call run on, now that it has its answer."""
        if call.ended is not None or call.questions is None or call.request.timeout_ms is None:
            return
        limit = call.started + timeout_s(call.request.timeout_ms) + call.questions.waited
        if call.context is not None:
            call.context.deadline = limit
        if call.timer is None:
            call.timer = self._clock.call_later(max(0.0, limit - self._now()), self._expired, call)

    def _cut_off(self, call: LocalCall, cause: Cause, *, now: bool = False) -> None:
        """Cancel a call; leave it behind if it does not end within the grace (a thread, or ``now``: immediately).

        One whose thread has just returned keeps its outcome, though the loop has not heard of it yet.
        """
        future = call.future
        if future.done():
            if now:
                self._returned(call, future)
            return
        call.cause = call.cause or cause
        if not call.request.entry.is_async:
            call.abandoned = True
            future.cancel()
            if now:
                self._end(call, None)
            return
        future.cancel()
        if now:
            self._leave_behind(call)
        else:
            if call.timer is not None:
                call.timer.cancel()
            call.timer = self._clock.call_later(KILL_GRACE_S, self._leave_behind, call)

    def _leave_behind(self, call: LocalCall) -> None:
        call.abandoned = True
        self.left_behind.add(call.future)
        self._end(call, None)


def _task(coroutine: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
    """Return the task of a tool, with the tool's name: cheaper than ``create_task``, which makes one up."""
    loop = asyncio.get_running_loop()
    if loop.get_task_factory() is not None:
        return loop.create_task(coroutine, name=name)
    return asyncio.Task(coroutine, loop=loop, name=name)


def _arguments(call: LocalCall) -> dict[str, Any]:
    """Return parameters that are the tool's own: what it does to them touches no other attempt, action or plan."""
    request = call.request
    arguments = request.arguments()
    name = request.entry.context_param
    if name is not None:
        arguments[name] = call.context
    return arguments
