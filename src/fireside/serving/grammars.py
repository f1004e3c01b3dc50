"""Which answers are possible, in llguidance's dialect of Lark: the one place where it is written.

Calls of tools are written as the model's chat format has them: `fireside.chat.dialects`.
"""

import hashlib
import json
import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import msgspec
from llguidance import regex_to_lark

from fireside.chat.dialects import ToolDialect
from fireside.chat.messages import Tool
from fireside.engine.grammar.matcher import MAX_GRAMMAR
from fireside.errors import BadGrammar
from fireside.lru import Lru
from fireside.serving.schemas import ON_ONE_LINE, prepare
from fireside.serving.types import (
    ChoiceOutput,
    GrammarOutput,
    JsonOutput,
    NamedTool,
    StructuredOutput,
    TextRequest,
    ToolChoice,
)

_GBNF_RULE = re.compile(r"^\s*[\w-]+\s*::=", re.MULTILINE)

_SYNTAX = frozenset(r"\.+*?()|[]{}^$/&~#-")
"""Characters that mean something in a pattern."""

_ANYTHING = r"/(.|\n)*/"

_REMEMBERED = 16 * 1024 * 1024
"""Bytes of grammars, and of what is wrong with schemas that have none."""

MAX_CALLS = 8
"""Of tools, in one answer: a weak model repeats itself."""


class Grammar(NamedTuple):
    """A grammar, and what it is known by."""

    text: str
    digest: bytes


class Grammars:
    """Grammars of requests, each written once. Safe to use from many threads."""

    def __init__(self) -> None:
        self._written: Lru[Grammar | BadGrammar] = Lru(_REMEMBERED)

    def of(self, request: TextRequest, dialect: ToolDialect, *, spaced: bool) -> Grammar:
        """The grammar of the answer to a request that has one.

        Args:
            dialect: of the model, for calls of tools.
            spaced: the vocabulary is one whose texts begin with a space that the detokenizer drops (sentencepiece).

        Raises BadGrammar.
        """
        tools = [(tool.name, tool.parameters) for tool in request.offered_tools]
        spelling = None if request.structured_output is not None else replace(dialect, describe=None)
        said = (
            type(request.structured_output).__name__,
            request.structured_output or tools,
            request.tool_choice,
            spaced,
            spelling,
        )
        digest = hashlib.sha256(_encoded(said)).digest()
        written = self._written.get(digest)
        if written is None:
            written = _write(request, dialect, spaced)
            size = sys.getsizeof(written.text if isinstance(written, Grammar) else str(written))
            self._written.put(digest, written, size)
        if isinstance(written, BadGrammar):
            raise BadGrammar(str(written))
        return written


def has_grammar(request: TextRequest) -> bool:
    """Whether not just any answer will do."""
    return request.structured_output is not None or bool(request.offered_tools)


def _write(request: TextRequest, dialect: ToolDialect, spaced: bool) -> Grammar | BadGrammar:
    try:
        if request.structured_output is not None:
            text = output_grammar(request.structured_output, spaced=spaced)
        else:
            text = tools_grammar(dialect, request.offered_tools, request.tool_choice, spaced=spaced)
    except BadGrammar as error:
        return BadGrammar(str(error))  # without the frames that it came through, and all that they hold
    return Grammar(text, hashlib.sha256(text.encode()).digest())


def output_grammar(form: StructuredOutput, *, spaced: bool) -> str:
    """The grammar of JSON, of a pattern or of some texts; one that was given stays as it is."""
    if isinstance(form, GrammarOutput):
        return _own_grammar(form.lark)
    if isinstance(form, JsonOutput):
        schema = {"type": "object"} if form.schema is None else form.schema
        title = "The JSON schema"
        return f"start: {_space(spaced)}body\n// {title}\nbody: %json {_json(prepare(schema, title))}\n"
    if isinstance(form, ChoiceOutput):
        body = f"// The choice\nBODY: {' | '.join(map(_text, form.texts))}\n"
    else:
        # As in JavaScript and JSON Schema: \d and \w are ASCII.
        pattern = regex_to_lark(_without_anchors(form.pattern), "dw")
        body = f"// The pattern\nBODY: /{pattern}/\n"
    if not spaced:
        return f"start: BODY\n{body}"
    # A space of the form's own must not be taken for the one that is dropped.
    return f'start: " " BODY | BARE\nBARE: BODY & /([^ ](.|\\n)*)?/\n{body}'


def _own_grammar(lark: str) -> str:
    """Raises BadGrammar for what only the server may say, and for the other notation that clients know."""
    if "%llguidance" in lark:
        raise BadGrammar("The grammar cannot be used: %llguidance sets options, which are the server's.")
    if "::=" in lark and _GBNF_RULE.search(lark):
        raise BadGrammar(
            "The grammar cannot be used: it is GBNF. Write it in llguidance's dialect of Lark (start: …); "
            "llguidance.gbnf_to_lark translates."
        )
    return f"// The grammar\n{lark}"


def tools_grammar(dialect: ToolDialect, tools: Sequence[Tool], choice: ToolChoice, *, spaced: bool) -> str:
    """The grammar of an answer that may, or must, call tools. After a call there is no more text, only more calls."""
    opening = f"{_text(dialect.opening)} " if dialect.opening else ""
    more = "" if isinstance(choice, NamedTool) else f" more{{0,{MAX_CALLS - 1}}}"
    calls = f"{_begin(dialect)}call{more}{_end(dialect)}"
    rules = [f"start: {_space(spaced)}{opening}{calls}"]
    if choice == "auto" and dialect.opening:
        # Lazy: from the first opening on, the text is over.
        rules = [f"start: TEXT | head {calls}", f"head[lazy]: TEXT {opening}", f"TEXT: {_ANYTHING}"]
    elif choice == "auto":
        # What begins like a call is one. The first call's space is part of its first lexeme, which ends where the text
        # can go on no longer.
        begins = _escaped(dialect.before_name + '"')
        text = f"TEXT: {_ANYTHING} & ~/{' ?' if spaced else ''}{begins}(.|\\n)*/"
        rules = [f"start: TEXT | {calls.replace('call', 'first', 1)}", text, _either("first", len(tools))]
    rules += [f"more: {_text(dialect.between)} call", _either("call", len(tools))]
    for number, tool in enumerate(tools):
        head = dialect.before_name + _json(tool.name) + dialect.before_arguments
        rest = f"arguments_{number}" + (f" {_text(dialect.after)}" if dialect.after else "")
        title = f"tools: the parameters of {_json(tool.name)}"
        schema = _json(prepare(_arguments(tool), title, ON_ONE_LINE))
        if choice == "auto" and not dialect.opening:
            rules.append(f"first_{number}: /{' ?' if spaced else ''}{_escaped(head)}/ {rest}")
        rules += [f"call_{number}: {_text(head)} {rest}", f"// {title}", f"arguments_{number}: %json {schema}"]
    return "\n".join([*rules, ""])


def _either(rule: str, tools: int) -> str:
    return f"{rule}: {' | '.join(f'{rule}_{number}' for number in range(tools))}"


def _begin(dialect: ToolDialect) -> str:
    spelled = [_text(begin) for begin in dialect.begins if begin]
    if not spelled:
        return ""
    return f"({' | '.join(spelled)}){'?' if '' in dialect.begins else ''} "


def _end(dialect: ToolDialect) -> str:
    return f" {_text(dialect.end)}" if dialect.end else ""


def _arguments(tool: Tool) -> dict[str, Any]:
    """The schema of a tool's arguments, which are an object whatever else it says."""
    kind = tool.parameters.get("type", "object")
    if kind != "object" and not (isinstance(kind, list) and "object" in kind):
        raise BadGrammar(f"tools: the parameters of {_json(tool.name)} must be a JSON schema of type object.")
    return {**tool.parameters, "type": "object"}


def _without_anchors(pattern: str) -> str:
    """A pattern must match the whole answer, so anchors around it say nothing; llguidance knows none."""
    pattern = pattern.removeprefix("^")
    backslashes = len(pattern) - 1 - len(pattern[:-1].rstrip("\\"))
    return pattern[:-1] if pattern.endswith("$") and backslashes % 2 == 0 else pattern


def _encoded(said: object) -> bytes:
    """What the client said of the form, before anything looks at each part of it. Raises BadGrammar."""
    try:
        encoded = msgspec.json.encode(said)
    except RecursionError:
        raise BadGrammar("The JSON schema is nested too deeply. Take levels out of it.") from None
    if len(encoded) > MAX_GRAMMAR:
        raise BadGrammar(
            f"The JSON schema, pattern or tools have {len(encoded)} bytes, which is more than {MAX_GRAMMAR}. Make them "
            "smaller."
        )
    return encoded


def _escaped(text: str) -> str:
    """A text as a part of a pattern between slashes."""
    return "".join(f"\\{one}" if one in _SYNTAX else one for one in text).replace("\n", "\\n")


def _space(spaced: bool) -> str:
    return '" "? ' if spaced else ""


def _text(text: str) -> str:
    """A literal; Lark's strings are JSON's."""
    return _json(text)


def _json(value: object) -> str:
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except RecursionError:
        raise BadGrammar("The JSON schema is nested too deeply. Take levels out of it.") from None
