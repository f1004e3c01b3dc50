"""What the model is told beside the conversation."""

from fireside.prompting.tools import json_note, tools_note
from fireside.serving.types import JsonOutput, TextRequest


def note_of(request: TextRequest) -> str:
    """Of the tools it may call, or the form its answer must have; empty for most. A pattern would tell it nothing."""
    if isinstance(request.structured_output, JsonOutput):
        return json_note(request.structured_output.schema)
    if request.offered_tools:
        return tools_note(request.offered_tools, must=request.tool_choice != "auto")
    return ""
