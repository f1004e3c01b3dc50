"""A conversation in the terminal."""

import asyncio
import contextlib
import sys
from collections.abc import Callable

import typer

from fireside.api.schema.run_input import parse_input
from fireside.catalog.spec import ModelSpec
from fireside.cli.answer import Written, write_answer
from fireside.cli.answerers import Answerer, is_overflow
from fireside.cli.loading import load_shown
from fireside.errors import FiresideError, RequestError
from fireside.prompting.prompt import default_system

with contextlib.suppress(ImportError):
    import readline  # noqa: F401  (gives `input` editing and history; Windows has its own)

QUOTES = '"""'


def read_message(ask: Callable[[str], str] = input) -> str:
    """One message: a line; lines that end in a backslash, except for the last; or all between two times three quotes.

    Args:
        ask: shows a prompt and reads a line, as `input` does.

    Raises EOFError at the end of input, KeyboardInterrupt.
    """
    line = ask(">>> ")
    if line.lstrip().startswith(QUOTES):
        return _quoted(line.lstrip().removeprefix(QUOTES), ask)
    lines = [line]
    while lines[-1].endswith("\\"):
        lines[-1] = lines[-1][:-1]
        lines.append(ask("... "))
    return "\n".join(lines)


def _quoted(line: str, ask: Callable[[str], str]) -> str:
    lines = [line]
    while not lines[-1].rstrip().endswith(QUOTES):
        lines.append(ask("... "))
    lines[-1] = lines[-1].rstrip().removesuffix(QUOTES)
    return "\n".join(lines).strip("\n")


MAX_TOKENS = 1024
"""Of an answer, where nobody says otherwise and the context window is not too small for that."""

PARAMETERS = {
    "max_tokens": int,
    "temperature": float,
    "top_p": float,
    "top_k": int,
    "seed": int,
    "repetition_penalty": float,
    "frequency_penalty": float,
    "presence_penalty": float,
}
HELP = '''/clear             forget the conversation
/retry             answer the last message again
/system [TEXT]     show the system message, or set it
/set [NAME VALUE]  show the parameters, or set one; without VALUE, the default again
/exit              leave; so does Ctrl-D
"""                begins and ends a message of several lines; a line that ends in \\ goes on in the next
Ctrl-C             stops the answer'''


class Chat:
    """What has been said, and what a turn is asked with.

    Args:
        system: the system message; None is the model's own.
        options: parameters of each request, by the API's names.
    """

    def __init__(self, answerer: Answerer, spec: ModelSpec, system: str | None, options: dict[str, object]) -> None:
        self.answerer = answerer
        self.turns: list[dict[str, str]] = []
        self.options = dict(options)
        self._system = default_system(spec.prompt) if system is None else system
        self._most = min(MAX_TOKENS, max(1, spec.context_length // 2))

    async def say(self, text: str) -> None:
        """Print the answer to the next message; both are remembered, the answer as far as it came.

        Raises FiresideError leaves; then the message is forgotten.
        """
        self.turns.append({"role": "user", "content": text})
        written = Written()
        try:
            while True:
                try:
                    await write_answer(self.answerer.answer(self._body()), written)
                    break
                except FiresideError as error:
                    if not is_overflow(error) or len(self.turns) < 3:
                        raise
                    del self.turns[:2]
                    typer.echo("(The conversation is longer than the model's context: its oldest turn is forgotten.)")
        finally:
            if written.text:
                self.turns.append({"role": "assistant", "content": written.text})
            else:
                self.turns.pop()
        if written.cut:
            typer.echo("(cut off; /set max_tokens N allows more)")

    def command(self, line: str) -> str | None:
        """Obey a line that begins with a slash. Returns a message to say next, if that is what it means."""
        name, _, rest = line[1:].strip().partition(" ")
        rest = rest.strip()
        match name:
            case "help" | "?":
                typer.echo(HELP)
            case "clear":
                self.turns.clear()
                typer.echo("The conversation is forgotten.")
            case "retry" if len(self.turns) > 1:
                del self.turns[-1]
                return self.turns.pop()["content"]
            case "retry":
                typer.echo("There is nothing to answer again.")
            case "system":
                self._system = rest or self._system
                typer.echo(f"System message: {self._system or '(none)'}")
            case "set":
                self._set(*rest.split(maxsplit=1))
            case _:
                typer.echo(f"There is no command /{name}. /help lists them.")
        return None

    def _set(self, name: str = "", value: str = "") -> None:
        if name and name not in PARAMETERS:
            typer.echo(f"There is no parameter {name}. These are: {', '.join(PARAMETERS)}.")
            return
        try:
            if value:
                number = PARAMETERS[name](value)
                parse_input({"prompt": "?", name: number})  # the API's own bounds
                self.options[name] = number
            elif name:
                self.options.pop(name, None)
        except ValueError:
            typer.echo(f"{name}: {value} is not a number of the right kind.")
        except RequestError as error:
            typer.echo(str(error))
        shown = {"max_tokens": self._most, **self.options}
        typer.echo(", ".join(f"{name} {value}" for name, value in shown.items()))

    def _body(self) -> dict[str, object]:
        system = [{"role": "system", "content": self._system}] if self._system else []
        return {"max_tokens": self._most, **self.options, "messages": [*system, *self.turns]}


def converse(chat: Chat, read: Callable[[], str] = read_message) -> None:
    """Talk until the input ends, or somebody leaves. Raises FiresideError leaves when the model cannot be loaded."""
    with asyncio.Runner() as runner:
        try:
            runner.run(load_shown(chat.answerer.model, chat.answerer.load(), chat.answerer.status))
            typer.echo(f"{chat.answerer.model}, {chat.answerer.where}. /help lists commands, Ctrl-D leaves.")
            while (message := _next_message(chat, read)) is not None:
                try:
                    runner.run(chat.say(message))
                except KeyboardInterrupt:
                    typer.echo("\n(stopped)")
                except FiresideError as error:
                    typer.echo(f"Error: {error}", err=True)
        finally:
            runner.run(chat.answerer.close())


def _next_message(chat: Chat, read: Callable[[], str]) -> str | None:
    """What is to be said next; None to leave."""
    while True:
        try:
            line = read()
        except EOFError:
            sys.stdout.write("\n")
            return None
        except KeyboardInterrupt:
            typer.echo("\n(Ctrl-D or /exit leaves.)")
            continue
        except UnicodeDecodeError:
            typer.echo("That was no text in this terminal's encoding.")
            continue
        if line.strip() in ("/exit", "/quit", "/bye"):
            return None
        if line.startswith("/"):
            line = chat.command(line) or ""
        if line.strip():
            return line
