"""How a model writes calls of tools, and how it is told of tools, in the words it was trained with.

A dialect is data: prompts, grammars and the reader of answers all follow the same strings.
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
    """The calls of one turn are: opening, begin, call, (between, call)*, end. A call is: before_name, the name as JSON,
    before_arguments, a JSON object, after.

    Args:
        opening: what no text of an answer holds: from there on there are only calls. Empty: calls are told by their
            `before_name` at the very beginning of the answer.
        begins: what may stand between the opening and the first call; prompts have the first of these.
        tokens: parts of these strings that are single tokens for models trained with the dialect. Answers spell them
            out even where they are special.
        describe: what the system says of tools; None where the format tells of them elsewhere.
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
        """The calls of a turn, as a prompt has them: the dialect's own tokens are control tokens, nothing else is."""
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
    """JSON as the models' own templates write it, characters beyond ASCII as they are.

    Halves of characters, which JSON can name and UTF-8 cannot, stay escaped.
    """
    text = json.dumps(value, ensure_ascii=False, indent=indent)
    return _HALVES.sub(lambda half: f"\\u{ord(half[0]):04x}", text)


def normal_json(text: str) -> str:
    """A JSON text with the usual spaces. What is not JSON stays as it is."""
    try:
        return to_json(json.loads(text))
    except (ValueError, RecursionError):
        return text


def openai_tool(tool: Tool) -> dict[str, object]:
    """A tool in OpenAI's form, which most models were trained with."""
    function = {"name": tool.name, "description": tool.description, "parameters": tool.parameters}
    return {"type": "function", "function": function}
