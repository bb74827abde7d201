"""Structured logs: one JSON object a line on stderr, with request and trace ids bound by context.

Events are named in snake_case; never a body, a token (last four characters at most) or an e-mail address.

Libraries say the same for every attempt while what they need is away (aiokafka: some 30 lines a second). Of what a
library repeats one line in REPEAT_SECONDS is let through, with `left_out`: how many were not.
"""

import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable

import structlog

from libs.kit import metrics
from libs.kit.tracing import current_trace_id

REPEAT_SECONDS = 10.0
#: What is remembered of lines; the one not said for longest is forgotten first.
MAX_REMEMBERED = 1_000


class Repeats(logging.Filter):
    """Lets one line of each message, level and kind of exception of a logger through in `seconds`. Lines are the same
    when their text before arguments is; our own, which are events and no texts, all pass. `now`: monotonic seconds."""

    def __init__(self, seconds: float, now: Callable[[], float] = time.monotonic):
        super().__init__()
        self._seconds = seconds
        self._now = now
        # when it was last let through, and how many were left out since
        self._said: OrderedDict[tuple[object, ...], tuple[float, int]] = OrderedDict()

    def filter(self, record: logging.LogRecord) -> bool:
        if not isinstance(record.msg, str):
            return True
        raised = record.exc_info[0] if record.exc_info else None
        key = (record.name, record.levelno, record.msg, raised)
        now = self._now()
        before, left_out = self._said.pop(key, (now - self._seconds, 0))
        if now - before < self._seconds:
            self._said[key] = before, left_out + 1
            metrics.LOG_LINES_LEFT_OUT.labels(record.name.partition(".")[0]).inc()
            return False
        self._said[key] = now, 0
        record.left_out = left_out
        while len(self._said) > MAX_REMEMBERED:
            self._said.popitem(last=False)
        return True


def add_left_out(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Processor: how many lines like this one were left out before it."""
    if left_out := getattr(event.get("_record"), "left_out", 0):
        event["left_out"] = left_out
    return event


def add_trace_id(_logger: object, _method: str, event: structlog.types.EventDict) -> structlog.types.EventDict:
    """Processor: the current trace's id, so that a log line and a trace find each other."""
    if trace_id := current_trace_id():
        event["trace_id"] = trace_id
    return event


def configure_logging(level: str, *, service: str, version: str, human: bool = False) -> None:
    """Set up structlog and route the standard library's loggers through it. Call once per process."""
    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        add_trace_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    renderer: structlog.types.Processor = (
        structlog.dev.ConsoleRenderer() if human else structlog.processors.JSONRenderer()
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, add_left_out],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            renderer,
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    handler.addFilter(Repeats(REPEAT_SECONDS))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for noisy in ("aiokafka", "botocore", "httpx", "httpcore", "uvicorn.access"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    structlog.contextvars.bind_contextvars(service=service, version=version)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module: `log = get_logger(__name__)`."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger
