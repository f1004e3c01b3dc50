"""Lines of the log say which request they are about: its `cf-ai-req-id`."""

import logging
from contextvars import ContextVar

REQUEST_ID: ContextVar[str] = ContextVar("request_id")
"""Of the request that the current task answers."""


class RequestOfLine(logging.Filter):
    """Gives each record `request`: the id in brackets, or nothing. For a handler whose format has it."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Never drops a record."""
        request_id = REQUEST_ID.get("")
        record.request = f" [{request_id}]" if request_id else ""
        return True
