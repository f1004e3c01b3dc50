"""What an engine is told when it starts. Each engine adds its own options to these by inheriting from them."""

import msgspec


class TokenTable(msgspec.Struct, frozen=True, kw_only=True):
    """What the tokens stand for, which an engine needs only to hold answers to a grammar.

    Args:
        bytes_of: by token id; empty for control tokens, which are part of no grammar.
        stop_ids: the tokens that end an answer.
    """

    bytes_of: list[bytes]
    stop_ids: list[int]


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every engine is told.

    Args:
        model_path: folder or file of the weights; "" where the model has none.
        cache_dir: where the engine may keep what it makes of them ("" for nowhere).
        context_length: most tokens of prompt and answer together; the checkpoint's own length if that is less.
        max_num_seqs: most requests that generate at the same time.
        tokens: see `TokenTable`; None for an engine that needs none, and then requests with a grammar fail.
    """

    model_path: str = ""
    cache_dir: str = ""
    context_length: int = 4096
    max_num_seqs: int = 16
    tokens: TokenTable | None = None
