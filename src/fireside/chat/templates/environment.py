"""Jinja configured as in transformers' chat templates, with every client text traced."""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from types import CodeType
from typing import Any

from jinja2 import TemplateError, TemplateSyntaxError, nodes
from jinja2.compiler import CodeGenerator, Frame
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment

from fireside.chat.templates.source import MAX_SOURCE
from fireside.chat.templates.traced import CLOSE, OPEN, Altered, Part, Vault, parts_of, real

MAX_NODES = 20_000
"""Nodes of a template's syntax tree. The longest known templates have two thousand."""

MAX_OUTPUT = 32 * 1024 * 1024
"""Characters of a prompt."""

_MAX_SHOWN = 300

_FILE = "<template>"


class Refused(Exception):
    """The template rejected the conversation by calling `raise_exception`."""


class Unusable(Exception):
    """The template cannot be used. The message says why and, if known, in which line."""


class _Generator(CodeGenerator):
    """Generates code in which `~` traces client texts, too."""

    def visit_Concat(self, node: nodes.Concat, frame: Frame) -> None:  # noqa: N802 - Jinja's name
        self.write("environment.concat((")
        for child in node.nodes:
            self.visit(child, frame)
            self.write(", ")
        self.write("))")


class _Generation(Extension):
    """`{% generation %}`, which marks the assistant's text; here it has no effect."""

    tags = {"generation"}  # noqa: RUF012 - Jinja does not declare it as a class variable

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


class Environment(ImmutableSandboxedEnvironment):
    """A Jinja environment for one rendering."""

    code_generator_class = _Generator
    intercepted_binops = frozenset({"%"})

    def __init__(self, vault: Vault) -> None:
        super().__init__(trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols], cache_size=0)
        self._vault = vault
        self.filters = {name: self._keeping(function) for name, function in self.filters.items()}
        self.filters["tojson"] = self._to_json
        self.globals |= {"raise_exception": self._raise, "strftime_now": _now}
        self.concat = self._concat  # type: ignore[method-assign]

    def call(self, context: Any, called: Any, /, *given: Any, **named: Any) -> Any:
        """The result of a call in the template, traced."""
        return self._vault.traced(super().call(context, called, *given, **named))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        """The result of an operator, traced."""
        return self._vault.traced(super().call_binop(context, operator, left, right))

    def _concat(self, texts: Any) -> str:
        joined = self._vault.joined(texts)
        if len(joined) > MAX_OUTPUT:
            raise Unusable(f"it writes more than {MAX_OUTPUT:,} characters")
        return joined

    def _keeping(self, function: Callable[..., Any]) -> Callable[..., Any]:
        def kept(*given: Any, **named: Any) -> Any:
            return self._vault.traced(function(*given, **named))

        # Jinja marks a filter with the first argument it expects (the context, the environment).
        kept.__dict__.update(getattr(function, "__dict__", {}))
        return kept

    def _to_json(
        self,
        value: object,
        ensure_ascii: bool = False,
        indent: int | None = None,
        separators: Any = None,
        sort_keys: bool = False,
    ) -> str:
        return self._vault.to_json(value, indent=indent, separators=separators, sort_keys=sort_keys)

    def _raise(self, message: object) -> None:
        raise Refused(real(self._vault.traced(str(message)))[:_MAX_SHOWN])


def rendered(source: str, values: Callable[[Vault], Mapping[str, Any]]) -> Sequence[Part]:
    """Render a template and return the prompt in parts.

    Args:
        source: the template.
        values: makes its variables; every client text among them comes from the vault.

    Raises Refused, Unusable.
    """
    if len(source) > MAX_SOURCE:
        raise Unusable(f"it has more than {MAX_SOURCE:,} characters")
    if OPEN in source or CLOSE in source:
        raise Unusable("it contains the private-use character U+E000 or U+E001")
    vault = Vault()
    environment = Environment(vault)
    try:
        template = environment.template_class.from_code(environment, _compiled(source), environment.make_globals(None))
        text = template.render(values(vault))
    except (Refused, Unusable):
        raise
    except TemplateSyntaxError as error:
        raise Unusable(f"line {error.lineno}: {_shown(error)}") from None
    except (Altered, TemplateError, ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        raise Unusable(f"{_line(error)}{_shown(error)}") from None
    except RecursionError:
        raise Unusable("it is nested too deeply or recurses endlessly") from None
    except MemoryError:
        raise Unusable("it needs too much memory") from None
    return parts_of(text)


@lru_cache(maxsize=8)
def _compiled(source: str) -> CodeType:
    """The template's code, which keeps no state of any rendering. Raises TemplateSyntaxError, Unusable."""
    environment = Environment(Vault())
    tree = environment.parse(source, filename=_FILE)
    count = sum(1 for _ in tree.find_all(nodes.Node))
    if count > MAX_NODES:
        raise Unusable(f"it has {count:,} syntax nodes; the maximum is {MAX_NODES:,}")
    return environment.compile(tree, filename=_FILE)


def _shown(error: Exception) -> str:
    text = " ".join(str(error).split())[:_MAX_SHOWN].rstrip(".")
    return text if isinstance(error, Altered | TemplateError) else f"{type(error).__name__}: {text}"


def _line(error: BaseException) -> str:
    """The beginning of a message: the line of the template in which an error was raised; empty if unknown."""
    line, frame = None, error.__traceback__
    while frame is not None:
        if frame.tb_frame.f_code.co_filename == _FILE:
            line = frame.tb_lineno
        frame = frame.tb_next
    return "" if line is None else f"line {line}: "


def _now(form: str) -> str:
    return time.strftime(form, time.gmtime())
