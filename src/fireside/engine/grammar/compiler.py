"""From a grammar's text to a `Constraint`, beside the engine's steps."""

from concurrent.futures import Future, ThreadPoolExecutor

from llguidance import LLTokenizer

from fireside.engine.grammar.checker import GrammarChecker
from fireside.engine.grammar.constraint import Constraint
from fireside.engine.grammar.matcher import open_matcher, open_vocabulary
from fireside.engine.messages import TokenTable
from fireside.errors import BadGrammar, EngineFailed


class GrammarCompiler:
    """Compiles in one thread, which llguidance lets run beside the others. The vocabulary is read when first needed.

    Args:
        table: what the tokens stand for, or None where nobody said: then compiling fails.
        vocab_size: length of a row of logits.
    """

    def __init__(self, table: TokenTable | None, vocab_size: int) -> None:
        self._table = table
        self._vocab_size = vocab_size
        self._vocabulary: LLTokenizer | None = None
        self._checker = GrammarChecker()
        self._thread = ThreadPoolExecutor(1, "grammar")

    def compile(self, grammar: str) -> "Future[Constraint]":
        """A constraint for one answer. The future raises BadGrammar, EngineFailed."""
        return self._thread.submit(self._compile, grammar)

    def _compile(self, grammar: str) -> Constraint:
        if self._table is None:
            raise EngineFailed("This engine was not told what its tokens stand for: it can follow no grammar.")
        self._checker.check(grammar)
        try:
            if self._vocabulary is None:
                self._vocabulary = open_vocabulary(self._table)
            return Constraint(open_matcher(self._vocabulary, grammar), self._vocab_size)
        except BadGrammar:
            raise
        except BaseException as error:  # a panic of llguidance's is no Exception
            raise EngineFailed(f"The JSON schema, pattern or tools cannot be compiled: {error!r}") from error
