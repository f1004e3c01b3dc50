"""Answers held to a JSON schema: what choosing among the tokens that still fit costs a step."""

import time
from dataclasses import dataclass, field

from mistral_common.tokens.tokenizers.mistral import MistralTokenizer
from mistral_common.tokens.tokenizers.sentencepiece import SentencePieceTokenizer

from bench.fireside_engine import EngineContender, random_prompt, run_streams, running_engine
from bench.rates import decode_rate
from bench.rounds import Row, Value
from fireside.engine.options import TokenTable
from fireside.engine.protocol import Engine
from fireside.serving.grammars import output_grammar
from fireside.serving.types import JsonOutput

STREAMS = (1, 8)
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "maxLength": 40},
        "born": {"type": "string", "format": "date"},
        "languages": {"type": "array", "items": {"enum": ["de", "en", "fr", "it", "ja"]}, "minItems": 2, "maxItems": 4},
        "home": {
            "type": "object",
            "properties": {"city": {"type": "string", "pattern": "^[A-Z][a-z ]+$"}, "zip": {"type": "integer"}},
            "required": ["city", "zip"],
        },
        "notes": {"type": "array", "items": {"type": "string"}, "minItems": 50},
    },
    "required": ["name", "born", "languages", "home", "notes"],
}
"""A form as people have them; the model's random weights never come to the end of the last list."""

_CONTEXT = 512


@dataclass(slots=True)
class FormTurn:
    """Tokens per second of all streams together, by their number and whether they are held to the schema."""

    rates: dict[tuple[int, bool], float] = field(default_factory=dict)
    first_use: float | None = None
    """Seconds that the first answer of a schema waits longer than one without."""


@dataclass(frozen=True, slots=True)
class FormWork:
    """Answers of so many tokens."""

    tokens: int
    threads: int


class FiresideForms(EngineContender[FormWork, FormTurn]):
    """Each number of streams, free and held to the schema, with the vocabulary of Mistral 7B."""

    async def _take_turn(self, work: FormWork, first: bool) -> FormTurn:
        turn = FormTurn()
        options = self._options(
            context_length=_CONTEXT,
            max_num_seqs=max(STREAMS),
            threads=work.threads,
            tokens=mistral_vocabulary(),
        )
        grammar = output_grammar(JsonOutput(SCHEMA), spaced=True)
        async with running_engine(options) as (engine, _):
            plain = await _first_token(engine, None)
            turn.first_use = await _first_token(engine, grammar) - plain
            for streams in STREAMS:
                for held in (False, True):
                    prompts = [random_prompt(2) for _ in range(streams)]
                    given = grammar if held else None
                    times = await run_streams(engine, prompts, work.tokens + streams, grammar=given)
                    turn.rates[streams, held] = decode_rate(times)
        return turn


async def _first_token(engine: Engine, grammar: str | None) -> float:
    began = time.perf_counter()
    [times] = await run_streams(engine, [random_prompt(2)], 2, grammar=grammar)
    return times[0] - began


def mistral_vocabulary() -> TokenTable:
    """Bytes of the 32,000 tokens of Mistral 7B v0.1 and v0.2, as sentencepiece spells them."""
    tokenizer = MistralTokenizer.v1().instruct_tokenizer.tokenizer
    assert isinstance(tokenizer, SentencePieceTokenizer)
    pieces = [tokenizer.id_to_piece(number) for number in range(tokenizer.n_words)]
    bytes_of = [
        bytes([int(piece[3:5], 16)]) if piece.startswith("<0x") else piece.replace("\u2581", " ").encode()
        for piece in pieces
    ]
    for number in (tokenizer.unk_id, tokenizer.bos_id, tokenizer.eos_id):
        bytes_of[number] = b""
    return TokenTable(bytes_of=bytes_of, stop_ids=[tokenizer.eos_id])


def form_rows() -> list[Row[FormTurn]]:
    """What is told of forms."""

    def rate(streams: int, held: bool) -> Value[FormTurn]:
        return lambda turn: turn.rates.get((streams, held))

    def slower(streams: int) -> Value[FormTurn]:
        return lambda turn: 100 * (turn.rates[streams, False] / turn.rates[streams, True] - 1) if turn.rates else None

    rows: list[Row[FormTurn]] = [("first use waits (s)", lambda turn: turn.first_use, False)]
    for streams in STREAMS:
        rows.append((f"decode, batch {streams} (tokens/s)", rate(streams, False), False))
        rows.append(("  held to a JSON schema (tokens/s)", rate(streams, True), False))
        rows.append(("  a step is longer by (%)", slower(streams), False))
    return rows
