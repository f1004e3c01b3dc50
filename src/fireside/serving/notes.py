"""What the model is told beside the conversation."""

from fireside.chat.messages import ToolOffer
from fireside.chat.tools import json_note
from fireside.serving.types import JsonOutput, TextRequest


def note_of(request: TextRequest) -> str:
    """Of the form its answer must have; empty for most. A pattern would tell it nothing."""
    if isinstance(request.structured_output, JsonOutput):
        return json_note(request.structured_output.schema)
    return ""


def offer_of(request: TextRequest) -> ToolOffer | None:
    """The tools it may call, if there are any. An answer that has a form calls none."""
    if request.structured_output is not None or not request.offered_tools:
        return None
    return ToolOffer(request.offered_tools, must=request.tool_choice != "auto")
