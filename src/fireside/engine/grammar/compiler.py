"""Compiles a grammar's text to a `Constraint`, in parallel with the engine's steps."""

from concurrent.futures import Future

from llguidance import LLTokenizer

from fireside.engine.grammar.constraint import Constraint
from fireside.engine.grammar.matcher import open_matcher, open_vocabulary
from fireside.engine.options import TokenTable
from fireside.errors import BadGrammar, EngineFailed
from fireside.shares import Lanes

_THREADS = 2
"""Two, so that one account does not block another: a grammar that passed the check may still take that long."""

_QUEUE = 1024


class GrammarCompiler:
    """Compiles grammars in threads that the accounts share. llguidance releases the GIL while it compiles.

    Each answer compiles its grammar again: copies of a matcher would share their lexer and its limit on states.

    Reading the vocabulary does block other threads for some tenths of a second. It starts at once, so create this
    object before the engine takes requests.

    Args:
        table: the bytes of each token; None makes compiling fail.
    """

    def __init__(self, table: TokenTable | None) -> None:
        self._lanes = Lanes(_THREADS, queue=_QUEUE, name="grammar")
        self._vocabulary: Future[LLTokenizer] | None = None
        if table is not None:
            self._vocabulary = self._lanes.submit("", lambda: open_vocabulary(table))

    def compile(self, grammar: str, vocab_size: int, account: str = "") -> "Future[Constraint]":
        """Compile a constraint for one answer. The future raises BadGrammar, EngineFailed.

        Args:
            grammar: a grammar that has passed a `GrammarChecker`.
            vocab_size: length of a row of logits.
            account: the account that gets its share of the threads.
        """
        return self._lanes.submit(account, lambda: self._compile(grammar, vocab_size))

    def _compile(self, grammar: str, vocab_size: int) -> Constraint:
        if self._vocabulary is None:
            raise EngineFailed("This engine was started without a token table, so it cannot follow a grammar.")
        try:
            return Constraint(open_matcher(self._vocabulary.result(), grammar), vocab_size)
        except BadGrammar:
            raise
        except BaseException as error:  # a panic in llguidance is not an Exception
            raise EngineFailed(f"The JSON schema, pattern or tools cannot be compiled: {error!r}") from error
