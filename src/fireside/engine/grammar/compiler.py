"""From a grammar's text to a `Constraint`, beside the engine's steps."""

from concurrent.futures import Future

from llguidance import LLTokenizer

from fireside.engine.grammar.constraint import Constraint
from fireside.engine.grammar.matcher import open_matcher, open_vocabulary
from fireside.engine.options import TokenTable
from fireside.errors import BadGrammar, EngineFailed
from fireside.shares import Lanes

_THREADS = 2
"""One for each of two accounts: what passed the check may still take as long as that lets it."""

_QUEUE = 1024


class GrammarCompiler:
    """Compiles in threads that the accounts share, which llguidance lets run beside the others.

    What was compiled once is compiled again for the next answer: llguidance's copies would share their lexer, and with
    it the limit of its states.

    Reading the vocabulary, which does hold them up for some tenths of a second, begins at once: make this object before
    the engine takes requests.

    Args:
        table: what the tokens stand for, or None where nobody said: then compiling fails.
    """

    def __init__(self, table: TokenTable | None) -> None:
        self._lanes = Lanes(_THREADS, queue=_QUEUE, name="grammar")
        self._vocabulary: Future[LLTokenizer] | None = None
        if table is not None:
            self._vocabulary = self._lanes.submit("", lambda: open_vocabulary(table))

    def compile(self, grammar: str, vocab_size: int, account: str = "") -> "Future[Constraint]":
        """A constraint for one answer. The future raises BadGrammar, EngineFailed.

        Args:
            grammar: one that has passed a `GrammarChecker`.
            vocab_size: length of a row of logits.
            account: whose it is: each has a share of the threads.
        """
        return self._lanes.submit(account, lambda: self._compile(grammar, vocab_size))

    def _compile(self, grammar: str, vocab_size: int) -> Constraint:
        if self._vocabulary is None:
            raise EngineFailed("This engine was not told what its tokens stand for: it can follow no grammar.")
        try:
            return Constraint(open_matcher(self._vocabulary.result(), grammar), vocab_size)
        except BadGrammar:
            raise
        except BaseException as error:  # a panic of llguidance's is not an Exception
            raise EngineFailed(f"The JSON schema, pattern or tools cannot be compiled: {error!r}") from error
