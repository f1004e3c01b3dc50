"""llguidance, with Fireside's limits: the one way to a matcher, for the check and for the engine.

What the limits do not stop (some compile for minutes, or overflow the stack) is what `fireside.engine.grammar.check`
is for.
"""

from llguidance import LLMatcher, LLParserLimits, LLTokenizer, TokenizerWrapper

from fireside.engine.grammar.faults import explained
from fireside.engine.options import TokenTable
from fireside.errors import BadGrammar

MAX_GRAMMAR = 512 * 1024
"""Most characters of a grammar."""

LIMITS = LLParserLimits(
    initial_lexer_fuel=500_000,
    max_lexer_states=50_000,
    max_grammar_size=100_000,
    precompute_large_lexemes=False,
    verbose_errors=False,
)
"""Below llguidance's own; lexer states are what a grammar keeps in memory, about 1 kB each.

Large patterns are looked at as the answer meets them: all at once before it begins takes as long as the vocabulary is
large.
"""

# Forced text is not tokenised for the model: it spells it in its own tokens, and there is no tokenizer in an engine.
_OPTIONS = '%llguidance {"no_forcing": true}\n'


class _Words(TokenizerWrapper):
    """What llguidance asks of a tokenizer, except for tokenizing."""

    def __init__(self, table: TokenTable) -> None:
        self.tokens = list(table.bytes_of)
        if not table.stop_ids:
            self.tokens.append(b"")  # stands for an end that no model can say
        self.eos_token_id = table.stop_ids[0] if table.stop_ids else len(self.tokens) - 1
        self.bos_token_id = None
        self.special_token_ids = []
        self.is_tokenizer_wrapper = True


def open_vocabulary(table: TokenTable) -> LLTokenizer:
    """The vocabulary in llguidance's form. Takes some tenths of a second, and some megabytes."""
    words = _Words(table)
    return LLTokenizer(words, eos_token=table.stop_ids or words.eos_token_id)


def open_matcher(vocabulary: LLTokenizer, grammar: str) -> LLMatcher:
    """A matcher at the beginning of an answer. Raises BadGrammar."""
    if len(grammar) > MAX_GRAMMAR:
        raise BadGrammar(f"The JSON schema, pattern or tools make a grammar of more than {MAX_GRAMMAR} characters.")
    matcher = _open(vocabulary, grammar)
    if matcher.is_error():
        raise BadGrammar(explained(grammar, matcher.get_error(), lambda part: _open(vocabulary, part).get_error()))
    return matcher


def _open(vocabulary: LLTokenizer, grammar: str) -> LLMatcher:
    return LLMatcher(vocabulary, _OPTIONS + grammar, log_level=0, limits=LIMITS)
