"""llguidance matchers with Fireside's limits, for the check and the engine.

The limits do not stop every grammar (some compile for minutes or overflow the stack). `fireside.engine.grammar.check`
catches the rest.
"""

from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from fireside.engine.grammar.faults import explained
from fireside.engine.options import TokenTable
from fireside.errors import BadGrammar

MAX_GRAMMAR = 512 * 1024
"""Maximum number of characters in a grammar."""

LIMITS = LLParserLimits(
    initial_lexer_fuel=500_000,
    max_lexer_states=50_000,
    max_grammar_size=100_000,
    precompute_large_lexemes=False,
    verbose_errors=False,
)
"""Lower than llguidance's defaults. A grammar keeps its lexer states in memory, about 1 kB each.

Large patterns are evaluated lazily, during the answer: precomputing them takes time in proportion to the vocabulary.
"""

# Forced text is not inserted: the model generates it in its own tokens, because an engine has no tokenizer.
_OPTIONS = '%llguidance {"no_forcing": true}\n'


class _Words(TokenizerWrapper):
    """The tokenizer interface that llguidance expects, without tokenisation."""

    def __init__(self, table: TokenTable) -> None:
        self.tokens = list(table.bytes_of)
        if not table.stop_ids:
            self.tokens.append(b"")  # stands for an end that no model can generate
        self.eos_token_id = table.stop_ids[0] if table.stop_ids else len(self.tokens) - 1
        self.bos_token_id = None
        self.special_token_ids = []
        self.is_tokenizer_wrapper = True


def open_vocabulary(table: TokenTable) -> LLTokenizer:
    """Convert the vocabulary to llguidance's format. This takes some tenths of a second and some megabytes."""
    words = _Words(table)
    return LLTokenizer(words, eos_token=table.stop_ids or words.eos_token_id)


def open_matcher(vocabulary: LLTokenizer, grammar: str) -> LLMatcher:
    """Compile a grammar to a matcher at the beginning of an answer. Raises BadGrammar."""
    if len(grammar) > MAX_GRAMMAR:
        raise BadGrammar(
            f"The JSON schema, pattern or tools make a grammar of more than {MAX_GRAMMAR:,} characters. Use smaller "
            "ones."
        )
    matcher = _open(vocabulary, grammar)
    if matcher.is_error():
        raise BadGrammar(explained(grammar, matcher.get_error(), lambda part: _open(vocabulary, part).get_error()))
    return matcher


def _open(vocabulary: LLTokenizer, grammar: str) -> LLMatcher:
    return LLMatcher(vocabulary, _OPTIONS + grammar, log_level=0, limits=LIMITS)
