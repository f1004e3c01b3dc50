"""From a grammar's text to a `Constraint`, beside the engine's steps."""

from concurrent.futures import Future, ThreadPoolExecutor

from llguidance import LLTokenizer

from fireside.engine.grammar.checker import GrammarChecker
from fireside.engine.grammar.constraint import Constraint
from fireside.engine.grammar.matcher import open_matcher, open_vocabulary
from fireside.engine.messages import TokenTable
from fireside.errors import BadGrammar, EngineFailed


class GrammarCompiler:
    """Compiles in one thread, which llguidance lets run beside the others.

    Reading the vocabulary, which does hold them up for some tenths of a second, begins at once: make this object before
    the engine takes requests.

    Args:
        table: what the tokens stand for, or None where nobody said: then compiling fails.
    """

    def __init__(self, table: TokenTable | None) -> None:
        self._checker = GrammarChecker()
        self._thread = ThreadPoolExecutor(1, "grammar")
        self._vocabulary: Future[LLTokenizer] | None = None
        if table is not None:
            self._vocabulary = self._thread.submit(open_vocabulary, table)

    def compile(self, grammar: str, vocab_size: int) -> "Future[Constraint]":
        """A constraint for one answer. The future raises BadGrammar, EngineFailed.

        Args:
            vocab_size: length of a row of logits.
        """
        return self._thread.submit(self._compile, grammar, vocab_size)

    def _compile(self, grammar: str, vocab_size: int) -> Constraint:
        if self._vocabulary is None:
            raise EngineFailed("This engine was not told what its tokens stand for: it can follow no grammar.")
        self._checker.check(grammar)
        try:
            return Constraint(open_matcher(self._vocabulary.result(), grammar), vocab_size)
        except BadGrammar:
            raise
        except BaseException as error:  # a panic of llguidance's is no Exception
            raise EngineFailed(f"The JSON schema, pattern or tools cannot be compiled: {error!r}") from error
