"""What the model is told beside the conversation."""

from fireside.prompting.tools import json_note, tools_note
from fireside.serving.types import JsonForm, TextRequest


def note_of(request: TextRequest) -> str:
    """Of the tools it may call, or the form its answer must have; empty for most. A pattern would tell it nothing."""
    if isinstance(request.form, JsonForm):
        return json_note(request.form.schema)
    if request.offered_tools:
        return tools_note(request.offered_tools, must=request.tool_choice != "auto")
    return ""
