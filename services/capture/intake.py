"""What becomes of a request once all of it is here: decided, put on the log, answered. One for both callers.

Small bodies are decided at once, on the event loop; large ones, and small ones that unfold, in a thread, a few at a
time. The answer comes by callback, when the log has the records: a future or a task per request would cost more than
deciding it. Compiled when there is a compiler (intake.pxd).
"""

import asyncio
from concurrent.futures import ThreadPoolExecutor

from libs.kit.clock import Clock, SystemClock
from libs.kit.contracts.routes import CAPTURE_AI_PATH
from libs.kit.contracts.topics import EVENTS
from libs.kit.crashpoints import crash_point
from libs.kit.errors import DeadlineExceeded, HedgerowError, PayloadTooLarge, Unavailable
from libs.kit.eventlog import EventLog
from libs.kit.logging import get_logger
from services.capture.accounting import Accounting
from services.capture.ai_blobs import AiBlobs
from services.capture.answers import Answer, Refused, too_fast, too_large
from services.capture.bodies import Body, BodyMemory, Overloaded, check_size
from services.capture.decision import Decision, Limits, Request
from services.capture.group_commit import GroupCommit, LogBacklog, Waiting
from services.capture.handle import decide, dialect_of
from services.capture.policies.answering import amended
from services.capture.policies.policies import Policies, TooFast
from services.capture.policies.routing import Routing
from services.capture.settings import CaptureSettings

log = get_logger(__name__)
_LIVE = EVENTS.name


class Asker(Waiting):
    """Whom the answer to a request is for. Keeps what was decided while its records are on their way to the log."""

    __slots__ = ("_decision", "_intake", "_path", "_routing")

    def answered(self, answer: Answer) -> None:
        """Called once, on the event loop."""
        raise NotImplementedError

    def waits(self, intake: "Intake", path: str, decision: Decision, routing: Routing | None) -> None:
        """For the records of this decision."""
        self._intake = intake
        self._path = path
        self._decision = decision
        self._routing = routing

    def told(self, error: Exception | None) -> None:
        """See `Waiting`."""
        self.answered(self._intake.concluded(self._path, self._decision, self._routing, error))


class Awaited(Asker):
    """An answer that a task waits for."""

    __slots__ = ("answer",)

    def __init__(self) -> None:
        self.answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()

    def answered(self, answer: Answer) -> None:
        """See `Asker`."""
        if not self.answer.done():  # cancelled, when the server stops waiting
            self.answer.set_result(answer)


class Intake:
    """Requests in, answers out. Bodies are read under `new_body`'s caps, or `hold`'s, and then taken by `take`."""

    def __init__(
        self,
        event_log: EventLog,
        clock: Clock,
        settings: CaptureSettings,
        policies: Policies,
        ai_blobs: AiBlobs | None = None,
    ):
        self._policies = policies
        self._ai_blobs = ai_blobs or AiBlobs(None, settings.max_blob_bytes)
        self.settings = settings
        self._inline_body_bytes = settings.inline_body_bytes
        self._max_body_bytes = settings.max_body_bytes
        self.memory = BodyMemory(settings.max_inflight_body_bytes)
        self.accounting = Accounting(settings.access_log_every)
        self._clock = clock
        self._limits = Limits.of(settings, self._ai_blobs.bucket)
        self._inline_limits = self._limits.inflating_to(settings.inline_inflated_bytes)
        self._body_caps = dict.fromkeys((CAPTURE_AI_PATH, f"{CAPTURE_AI_PATH}/"), settings.max_ai_body_bytes)
        self._commit = GroupCommit(event_log, settings.max_unacknowledged_bytes)
        self._heavy = asyncio.Semaphore(settings.heavy_requests)
        self._threads = ThreadPoolExecutor(settings.heavy_requests, thread_name_prefix="capture")
        self._deciding: set[asyncio.Task[None]] = set()

    async def close(self) -> None:
        """Let go of the threads and the log; what they are at is finished first."""
        while self._deciding:
            await asyncio.wait(self._deciding)
        await self._commit.drain()
        self._threads.shutdown(wait=True, cancel_futures=True)
        self.accounting.flush()

    def new_body(self, path: str) -> Body:
        """To gather the body of a request for `path` in."""
        return Body(self.memory, self._cap(path))

    def hold(self, path: str, size: int) -> None:
        """The same for a body that is all there; who asks takes it off `memory.held` again. Raises Refused (413) and
        Overloaded."""
        check_size(size, self._cap(path))
        self.memory.hold(size)

    def _cap(self, path: str) -> int:
        return self._body_caps.get(path, self._max_body_bytes)

    def now_us(self) -> int:
        """The moment of receipt, in microseconds since 1970."""
        clock = self._clock
        if isinstance(clock, SystemClock):
            system: SystemClock = clock  # compiled: a call of C
            return system.now_us()
        return clock.now_us()

    def take(self, request: Request, asker: Asker) -> None:
        """Decide the request, produce what it holds, and answer, once, now or later. Never raises."""
        body = request.body
        if body:
            self.accounting.body(len(body))
        if len(body) > self._inline_body_bytes:
            self._decide_in_thread(request, asker)
            return
        try:
            decision = decide(request, self._inline_limits)
        except Exception as exc:
            asker.answered(_our_bug(request.path, exc))
            return
        if decision.refused == "inflated_too_large":  # for deciding here; a thread may take it
            self._decide_in_thread(request, asker)
        else:
            self._settle(request.path, decision, asker)

    def refuse_unread(self, path: str, why: Exception) -> Answer:
        """What is said when a body cannot be read to its end: Refused, Overloaded, or the sender stalled."""
        if isinstance(why, Refused):
            return self._refused(path, why)
        if isinstance(why, Overloaded):
            self.accounting.events("refused", "overloaded", 1)
            return dialect_of(path).transient
        self.accounting.events("refused", "stalled", 1)
        return dialect_of(path).stalled

    def _decide_in_thread(self, request: Request, asker: Asker) -> None:
        task = asyncio.get_running_loop().create_task(self._decide_heavy(request, asker))
        self._deciding.add(task)
        task.add_done_callback(self._deciding.discard)

    async def _decide_heavy(self, request: Request, asker: Asker) -> None:
        async with self._heavy:  # until the log has it: what large bodies unfold to is bounded by how many there are
            loop = asyncio.get_running_loop()
            settled = Awaited()
            try:
                decision = await loop.run_in_executor(self._threads, decide, request, self._limits)
            except Exception as exc:
                asker.answered(_our_bug(request.path, exc))
                return
            if decision.blob is None:
                self._settle(request.path, decision, settled)
                asker.answered(await settled.answer)
                return
        self._settle(request.path, decision, asker)  # a slow blob store must not hold up other large bodies

    def _settle(self, path: str, decision: Decision, asker: Asker) -> None:
        if decision.refused:
            self._note("refused", decision.refused, decision.events, decision.token)
        elif decision.drops:
            for reason, events in decision.drops.items():
                self._note("dropped", reason, events, decision.token)
        if decision.refused or not decision.records:
            asker.answered(decision.answer)
            return
        try:
            routing = self._policies.route(decision.records, decision.token, decision.historical)
        except TooFast:
            refused = too_fast(len(decision.records))
            refused.token = decision.token
            asker.answered(self._refused(path, refused))
            return
        except Exception as exc:
            asker.answered(_our_bug(path, exc))
            return
        if routing is not None and not routing.topics:
            asker.answered(self.concluded(path, decision, routing, None))
            return
        if decision.blob is None:
            self._produce(path, decision, routing, asker)
            return
        task = asyncio.get_running_loop().create_task(self._keep(path, decision, routing, asker))
        self._deciding.add(task)
        task.add_done_callback(self._deciding.discard)

    async def _keep(self, path: str, decision: Decision, routing: Routing | None, asker: Asker) -> None:
        """Produce once the blob that the records refer to is durable."""
        try:
            if decision.blob is not None:
                await self._ai_blobs.keep(decision.blob)
        except Exception as exc:
            asker.answered(self.concluded(path, decision, routing, exc))
        else:
            self._produce(path, decision, routing, asker)

    def _produce(self, path: str, decision: Decision, routing: Routing | None, asker: Asker) -> None:
        crash_point("capture.before_produce")
        asker.waits(self, path, decision, routing)
        try:
            if routing is None:
                self._commit.submit(_LIVE, decision.records, asker)
            else:
                self._commit.submit_all(routing.topics, asker)
        except LogBacklog:
            self._note("refused", "overloaded", len(decision.records), decision.token)
            asker.answered(decision.not_taken)

    def concluded(self, path: str, decision: Decision, routing: Routing | None, error: Exception | None) -> Answer:
        """What is said once the log has the records, or has not. Never raises."""
        try:
            return self._outcome(path, decision, routing, error)
        except Exception as exc:  # whatever happens here, somebody waits
            return _our_bug(path, exc)

    def _outcome(self, path: str, decision: Decision, routing: Routing | None, error: Exception | None) -> Answer:
        """The answer to a request whose records the log has, or has not."""
        if error is None:
            crash_point("capture.after_produce")
            self._policies.settled(decision.records, routing, decision.token)
            if routing is None:
                self.accounting.events("accepted", "", len(decision.records))
                return decision.answer
            for (result, reason), events in routing.outcomes.items():
                self.accounting.events(result, reason, events)
            tell_quota = self.settings.quota_limited_answers
            return amended(decision.answer, decision.records, routing, tell_quota=tell_quota)
        if isinstance(error, PayloadTooLarge):
            return self._refused(path, too_large(error.detail, "event_too_large"))
        if isinstance(error, Unavailable | DeadlineExceeded):
            _warn(error, decision)
            self._note("refused", type(error).__name__, len(decision.records), decision.token)
            return decision.not_taken
        return _our_bug(path, error)

    def _refused(self, path: str, refused: Refused) -> Answer:
        self._note("refused", refused.reason, refused.events, refused.token)
        return dialect_of(path).refusal(refused)

    def _note(self, result: str, reason: str, events: int, token: str) -> None:
        self.accounting.events(result, reason, events)
        self._policies.noted(result, reason, events, token)


def _warn(error: HedgerowError, decision: Decision) -> None:
    log.warning("produce_failed", code=error.code, kind=type(error).__name__, events=len(decision.records))


def _our_bug(path: str, error: Exception) -> Answer:
    log.exception("capture_failed", path=path, exc_info=error)
    return dialect_of(path).our_bug
