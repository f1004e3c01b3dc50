"""The processes that render templates, seen from the server."""

import os
import signal
import sys

import pytest

from fireside.chat.templates.messages import Job, JobMessage, Rendered
from fireside.chat.templates.renderer import TemplateRenderer
from support.children import Children

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="processes are found and ended in POSIX's way")


def test_an_idle_process_that_was_killed_from_outside_is_replaced(children: Children) -> None:
    renderer = TemplateRenderer()
    job = Job("{{ messages[0].content }}", [JobMessage("user", "Hi")])
    assert renderer.render(job) == Rendered(parts=[("Hi", True)])
    (first,) = children()
    os.kill(first.pid, signal.SIGKILL)
    first.wait()
    assert renderer.render(job) == Rendered(parts=[("Hi", True)])
    (second,) = children()
    assert second.pid != first.pid
    renderer.close()
