"""How tools are described to a model, and how it writes tool calls, in the format it was trained with.

A dialect is data: prompts, grammars and the answer reader all use the same strings.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fireside.chat.messages import Tool, ToolCall
from fireside.chat.pieces import Piece, optional, words

_HALVES = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolDialect:
    """The strings around a model's tool calls.

    The calls of one turn are: opening, begin, call, (between, call)*, end. A call is: before_name, the name as JSON,
    before_arguments, a JSON object, after.

    Args:
        opening: never occurs in an answer's text: only calls follow it. Empty: a call is recognised by `before_name` at
            the very beginning of the answer.
        begins: the strings allowed between the opening and the first call; prompts use the first of these.
        tokens: parts of these strings that are single tokens for models trained with the dialect. Answers contain
            their text even where they are special tokens.
        describe: writes the description of the tools for the system message; None where the format puts it elsewhere.
    """

    opening: str
    begins: tuple[str, ...] = ("",)
    before_name: str = '{"name": '
    before_arguments: str = ', "arguments": '
    after: str = "}"
    between: str
    end: str = ""
    tokens: tuple[str, ...] = ()
    describe: Callable[[Sequence[Tool], bool], str] | None = None

    def pieces(self, calls: Sequence[ToolCall]) -> list[Piece]:
        """The calls of a turn as part of a prompt. Only the dialect's own tokens are control tokens."""
        said = self._own(self.opening + self.begins[0])
        for index, call in enumerate(calls):
            said += self._own((self.between if index else "") + self.before_name)
            said += words(to_json(call.name))
            said += self._own(self.before_arguments)
            said += words(normal_json(call.arguments))
            said += self._own(self.after)
        return said + self._own(self.end)

    def _own(self, text: str) -> list[Piece]:
        if not self.tokens:
            return words(text)
        parts = re.split(f"({'|'.join(map(re.escape, self.tokens))})", text)
        return [piece for part in parts for piece in ([optional(part)] if part in self.tokens else words(part))]


def to_json(value: object, indent: int | None = None) -> str:
    """JSON as the models' own templates write it: non-ASCII characters are not escaped.

    Lone surrogates, which JSON can express and UTF-8 cannot, stay escaped.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def normal_json(text: str) -> str:
    """A JSON text with the usual spaces. Text that is not valid JSON is returned unchanged."""
    try:
        return to_json(json.loads(text))
    except (ValueError, RecursionError):
        return text


def openai_tool(tool: Tool) -> dict[str, object]:
    """A tool in OpenAI's format, which most models were trained with."""
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
