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
_REGEX = re.compile(r"/(?![*/])(?:[^\\/\[\n]|\\[^\n]|\[(?:[^\]\\\n]|\\[^\n])*+\])++/\w*+")
_DOC_MARGIN = re.compile(r"^[ \t]*+\*?+[ \t]?", re.MULTILINE)


def tokens_of(code: str) -> list[Token]:
    """The tokens of the code, comments left out.

    Raises:
        CodeError: a string, template or comment has no end.
    """
    scanner = _Scanner(code)
    found: list[Token] = []
    doc = ""
    while (piece := scanner.next(found[-1] if found else None)) is not None:
        kind, text = piece
        if kind == "comment":
            if text.startswith("/**") and len(text) > 4:
                doc = _DOC_MARGIN.sub("", text[3:-2]).strip()
        elif kind != "space":
            found.append(Token(kind, text, doc))
            doc = ""
    return found


class _Scanner:
    """Cuts one piece after the other off the code."""

    def __init__(self, code: str) -> None:
        self._code = code
        self._place = 0
        self._substitutions: list[int] = []  # those of templates that are open: how many braces are open in each
        self._no_regex_before = 0

    def next(self, last: Token | None) -> tuple[Kind | Literal["space", "comment"], str] | None:
        """Kind and text of the next piece, which may depend on the token before; None at the end."""
        place = self._place
        if place >= len(self._code):
            return None
        kind, self._place = self._find(place, last)
        text = self._code[place : self._place]
        if kind == "template":
            if text[0] == "}":
                self._substitutions.pop()
            if text.endswith("${"):
                self._substitutions.append(0)
        elif self._substitutions and text in ("{", "}"):
            self._substitutions[-1] += 1 if text == "{" else -1
        return kind, text

    def _find(self, place: int, last: Token | None) -> tuple[Kind | Literal["space", "comment"], int]:
        """Kind and end of what stands at `place`."""
        code, character = self._code, self._code[place]
        if character == "`" or (character == "}" and self._substitutions and self._substitutions[-1] == 0):
            if not (match := _TEMPLATE.match(code, place + 1)):
                raise CodeError("a template has no end")
            return "template", match.end()
        if character == "/" and place >= self._no_regex_before and _regex_may_follow(last):
            if match := _REGEX.match(code, place):
                return "regex", match.end()
            # Once is enough: to look at the rest of the line again and again would take long.
            line_end = code.find("\n", place)
            self._no_regex_before = len(code) if line_end < 0 else line_end
        match = _TOKEN.match(code, place)
        assert match is not None  # its last alternative takes anything
        if match[0] in ("'", '"'):
            raise CodeError("a string has no end")
        if match[0] == "/" and code.startswith("/*", place):
            raise CodeError("a comment has no end")
        return match.lastgroup, match.end()  # type: ignore[return-value]  # the names of the groups are the kinds


def _regex_may_follow(last: Token | None) -> bool:
    if last is None:
        return True
    if last.kind == "name":
        return last.text in _BEFORE_REGEX
    return last.kind == "punctuator" and last.text not in (")", "]", "++", "--")
