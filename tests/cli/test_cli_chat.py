"""`fireside run` without a prompt: a conversation, on a terminal and, for its parts, without one."""

import sys
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path

import pytest

from fireside.catalog.loader import Catalog
from fireside.cli.answerers import Body
from fireside.cli.chat import Chat, converse, read_message
from fireside.errors import BadWeights, ContextOverflow, EngineLost
from fireside.running import running_servers
from fireside.serving.types import Delta, ModelStatus
from support.command import command_line, environment
from support.serving import serving

if sys.platform == "win32":
    pytest.skip("terminals as POSIX has them", allow_module_level=True)

from support.terminal import END_OF_INPUT, INTERRUPT, Terminal, on_terminal

ECHO = Catalog.load().get("@hf/fireside/echo")


@pytest.fixture(params=["its own engine", "a server"])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Terminal]:
    """A conversation with echo, at 100 tokens a second."""
    slow = {"FIRESIDE_ECHO_TOKENS_PER_SECOND": "100"}
    command = command_line("run", "echo")
    if request.param == "its own engine":
        with on_terminal(command, environment(tmp_path, slow)) as opened:
            opened.wait_for("loaded by this command")
            yield opened
    else:
        with serving(tmp_path, "echo", **slow) as url, on_terminal(command, environment(tmp_path)) as opened:
            opened.wait_for(f"by the server at {url}. /help lists commands")
            yield opened
            # The server has not heard of the end of what it answered.
            assert [server.url for server in running_servers(tmp_path)] == [url]


def test_a_conversation(terminal: Terminal) -> None:
    terminal.wait_for(">>> ")
    terminal.type("Hello there\n")
    assert terminal.wait_for(">>> ") == "Hello there\nHello there\n>>> "
    terminal.type('"""two\n')
    terminal.wait_for("... ")
    terminal.type('lines"""\n')
    terminal.wait_for("two\nlines\n>>> ")
    terminal.type("again\\\n")
    terminal.wait_for("... ")
    terminal.type("and again\n")
    terminal.wait_for("again\nand again\n>>> ")
    terminal.type(END_OF_INPUT)
    assert terminal.wait_for_end() == 0
    assert "Traceback" not in terminal.screen


def test_ctrl_c_stops_the_answer_and_not_the_conversation(terminal: Terminal) -> None:
    terminal.wait_for(">>> ")
    terminal.type("a b c " + "and on and on " * 100 + "to the end\n")
    terminal.wait_for("to the end\n")
    terminal.wait_for("a b c and on")
    terminal.type(INTERRUPT)
    shown = terminal.wait_for("(stopped)\n>>> ")
    assert "to the end" not in shown
    terminal.type_until(INTERRUPT, "(Ctrl-D or /exit leaves.)\n>>> ")
    terminal.type("/clear\n")
    terminal.wait_for(">>> ")
    terminal.type("still here\n")
    terminal.wait_for("\nstill here\n>>> ")
    terminal.type("/exit\n")
    assert terminal.wait_for_end() == 0
    assert "Traceback" not in terminal.screen


def test_escape_sequences_of_a_model_are_not_obeyed(terminal: Terminal) -> None:
    terminal.wait_for(">>> ")
    terminal.type("a\x16\x1b[31mred\n")  # Ctrl-V takes the next key as it is
    terminal.wait_for("\n")
    assert terminal.wait_for(">>> ") == "a[31mred\n>>> "
    terminal.type("/exit\n")
    assert terminal.wait_for_end() == 0


class Scripted:
    """Implements `Answerer`: answers from a list, and keeps what it was asked. An error in the list is raised."""

    model = ECHO.id
    where = "scripted"

    def __init__(self, *answers: str | Exception, problem: Exception | None = None) -> None:
        self.answers = list(answers)
        self.asked: list[dict[str, object]] = []
        self.closed = False
        self._problem = problem

    async def load(self) -> None:
        if self._problem:
            raise self._problem

    async def status(self) -> ModelStatus:
        return ModelStatus("ready")

    async def answer(self, body: Body) -> AsyncGenerator[Delta, None]:
        self.asked.append(dict(body))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        yield Delta(answer)
        yield Delta("", "length" if answer.endswith("…") else "stop")

    async def close(self) -> None:
        self.closed = True

    def contents(self) -> list[list[str]]:
        """What the messages of each request said."""
        return [[turn["content"] for turn in body["messages"]] for body in self.asked]  # type: ignore[attr-defined]


def talk(answerer: Scripted, *lines: str, system: str | None = None, **options: object) -> None:
    typed = iter(lines)

    def read() -> str:
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    converse(Chat(answerer, ECHO, system, options), read)
    assert answerer.closed


def test_what_was_said_goes_along() -> None:
    answerer = Scripted("one", "two", "three")
    talk(answerer, "first", "second", "/clear", "third", system="Be brief.", seed=7)
    assert answerer.contents() == [
        ["Be brief.", "first"],
        ["Be brief.", "first", "one", "second"],
        ["Be brief.", "third"],
    ]
    assert [turn["role"] for turn in answerer.asked[1]["messages"]] == [  # type: ignore[attr-defined]
        "system", "user", "assistant", "user",
    ]  # fmt: skip
    assert {(body["seed"], body["max_tokens"]) for body in answerer.asked} == {(7, 1024)}


def test_retry_and_the_system_message(capsys: pytest.CaptureFixture[str]) -> None:
    answerer = Scripted("one", "other")
    talk(answerer, "/retry", "first", "/system Rhyme.", "/retry", "/system")
    assert answerer.contents() == [["first"], ["Rhyme.", "first"]]
    said = capsys.readouterr().out
    assert "There is nothing to answer again." in said
    assert said.count("System message: Rhyme.") == 2


def test_parameters(capsys: pytest.CaptureFixture[str]) -> None:
    answerer = Scripted("one", "two")
    talk(
        answerer, "/set temperature 0", "/set top_k 99", "/set seed x", "/set colour red", "/set max_tokens 5", "hi",
        "/set temperature", "/set", "hi", "/nonsense",
    )  # fmt: skip
    first, second = answerer.asked
    assert (first["temperature"], first["max_tokens"]) == (0.0, 5)
    assert "temperature" not in second
    assert not {"top_k", "seed"} & set(second)
    said = capsys.readouterr().out
    for line in (
        "top_k: should be less than or equal to 50",
        "seed: x is not a number of the right kind.",
        "There is no parameter colour. These are: max_tokens, temperature,",
        "There is no command /nonsense. /help lists them.",
    ):
        assert line in said


def test_a_conversation_that_has_outgrown_the_context_forgets_its_oldest_turn(
    capsys: pytest.CaptureFixture[str],
) -> None:
    full = ContextOverflow(9, 9, 9)
    answerer = Scripted("one", "two", full, "three", full)
    talk(answerer, "first", "second", "third", "/clear", "far too long")
    assert answerer.contents()[3] == ["second", "two", "third"]
    captured = capsys.readouterr()
    assert "its oldest turn is forgotten" in captured.out
    # One message that does not fit by itself is told with the numbers.
    assert "Error: This model's maximum context length is 9 tokens." in captured.err


def test_an_error_costs_one_turn(capsys: pytest.CaptureFixture[str]) -> None:
    answerer = Scripted("one", EngineLost("The engine was lost."), "two…")
    talk(answerer, "first", "lost", "second")
    assert answerer.contents()[2] == ["first", "one", "second"]
    captured = capsys.readouterr()
    assert captured.err == "Error: The engine was lost.\n"
    assert captured.out.count("(cut off; /set max_tokens N allows more)") == 1


def test_a_model_that_does_not_load_ends_it() -> None:
    answerer = Scripted(problem=BadWeights("model.gguf is corrupt."))
    with pytest.raises(BadWeights, match="corrupt"):
        talk(answerer, "hi")
    assert answerer.closed


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["one"], "one"),
        (["one\\", "two"], "one\ntwo"),
        (["one\\", "two\\", "three"], "one\ntwo\nthree"),
        (['"""one', "", 'two"""'], "one\n\ntwo"),
        (['"""', "one", '"""'], "one"),
        (['"""one"""'], "one"),
        (["  /not a command"], "  /not a command"),
    ],
)
def test_what_is_typed(lines: list[str], message: str) -> None:
    typed = iter(lines)
    assert read_message(lambda prompt: next(typed)) == message
    assert list(typed) == []
