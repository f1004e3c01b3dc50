"""JavaScript cut into tokens: enough to find a function's parameters without running anything.

Time grows with the length of the code and nothing else. Where JavaScript's own rules need a full parser, whether `/`
divides or begins a regular expression, this guesses by the token before, as editors do.
"""

import re
from dataclasses import dataclass
from typing import Literal

Kind = Literal["name", "number", "string", "template", "regex", "punctuator"]


class CodeError(ValueError):
    """The code is no function whose parameters can be told; `str(error)` says why."""


@dataclass(frozen=True, slots=True)
class Token:
    """One token. `doc` is the `/** … */` comment right before it, without its stars and slashes, or "".

    A template with substitutions is several tokens: "`a${", those of the expression, "}b`".
    """

    kind: Kind
    text: str
    doc: str = ""

    def opens(self) -> bool:
        """Whether the depth of brackets grows after it."""
        return self.text in _OPENING if self.kind == "punctuator" else self._is_template() and self.text.endswith("${")

    def closes(self) -> bool:
        """Whether the depth of brackets shrinks before it."""
        return self.text in _CLOSING if self.kind == "punctuator" else self._is_template() and self.text[0] == "}"

    def _is_template(self) -> bool:
        return self.kind == "template"


_OPENING = frozenset("([{")
_CLOSING = frozenset(")]}")
_BEFORE_REGEX = frozenset(
    ("await", "case", "delete", "do", "else", "in", "instanceof", "new", "of", "return", "throw", "typeof", "void")
)

# All quantifiers are possessive: nothing is tried twice.
_TOKEN = re.compile(
    r"""
      (?P<space>\s++)
    | (?P<comment>//[^\n]*+ | /\*(?:[^*]|\*(?!/))*+\*/)
    | (?P<name>[^\W\d][\w$]*+ | \$[\w$]*+)
    | (?P<number>0[xXoObB][0-9a-fA-F_]++n? | (?:\d[\d_]*+(?:\.[\d_]*+)?+ | \.\d[\d_]*+)(?:[eE][+-]?\d++)?+n?)
    | (?P<string>'(?:[^'\\\n]|\\.)*+' | "(?:[^"\\\n]|\\.)*+")
    | (?P<punctuator>=>|\.\.\.|\+\+|--|.)
    """,
    re.VERBOSE | re.DOTALL,
)
_TEMPLATE = re.compile(r"(?:[^`\\$]|\\.|\$(?!\{))*+(?:`|\$\{)", re.DOTALL)
_REGEX = re.compile(r"/(?![*/])(?:[^\\/\[\n]|\\.|\[(?:[^\]\\\n]|\\.){0,1000}+\]){1,1000}+/\w*+")
_DOC_MARGIN = re.compile(r"^[ \t]*+\*?+[ \t]?", re.MULTILINE)


def tokens_of(code: str) -> list[Token]:
    """The tokens of the code, comments left out.

    Raises:
        CodeError: a string, template or comment has no end.
    """
    found: list[Token] = []
    braces: list[int] = []  # of the templates that are open: how many braces are open within their substitution
    doc = ""
    place = 0
    while place < len(code):
        kind, end = _next(code, place, found, bool(braces) and braces[-1] == 0)
        text = code[place:end]
        place = end
        if kind == "space":
            continue
        if kind == "comment":
            doc = _DOC_MARGIN.sub("", text[3:-2]).strip() if text.startswith("/**") and len(text) > 4 else doc
            continue
        if kind == "template":
            if text[0] == "}":
                braces.pop()
            if text.endswith("${"):
                braces.append(0)
        elif braces and text in ("{", "}"):
            braces[-1] += 1 if text == "{" else -1
        found.append(Token(kind, text, doc))
        doc = ""
    return found


def _next(
    code: str, place: int, before: list[Token], ends_substitution: bool
) -> tuple[Kind | Literal["space", "comment"], int]:
    """Kind and end of what stands at `place`."""
    character = code[place]
    if character == "`" or (character == "}" and ends_substitution):
        if not (match := _TEMPLATE.match(code, place + 1)):
            raise CodeError("a template has no end")
        return "template", match.end()
    if character == "/" and _regex_may_follow(before) and (match := _REGEX.match(code, place)):
        return "regex", match.end()
    match = _TOKEN.match(code, place)
    assert match is not None  # its last alternative takes anything
    if match[0] in ("'", '"'):
        raise CodeError("a string has no end")
    if match[0] == "/" and code.startswith("/*", place):
        raise CodeError("a comment has no end")
    return match.lastgroup, match.end()  # type: ignore[return-value]  # the names of the groups are the kinds


def _regex_may_follow(before: list[Token]) -> bool:
    if not before:
        return True
    last = before[-1]
    if last.kind == "name":
        return last.text in _BEFORE_REGEX
    return last.kind == "punctuator" and last.text not in (")", "]", "++", "--")
