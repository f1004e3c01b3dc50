"""The options that an engine starts with. Each engine adds its own by inheriting from `EngineOptions`."""

import msgspec


class TokenTable(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of the tokens, which an engine needs only to constrain answers by a grammar.

    Args:
        bytes_of: bytes by token id; empty for control tokens, which no grammar contains.
        stop_ids: the tokens that end an answer.
    """

    bytes_of: list[bytes]
    stop_ids: list[int]


class EngineOptions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The options of every engine.

    Args:
        model_path: folder or file of the weights; "" for a model without weights.
        cache_dir: folder in which the engine may keep files derived from the weights; "" for none.
        context_length: maximum tokens of prompt and answer together; the checkpoint's own length if that is less.
        max_num_seqs: maximum number of requests that generate at the same time.
        tokens: see `TokenTable`; None for an engine that needs none, where requests with a grammar then fail.
    """

    model_path: str = ""
    cache_dir: str = ""
    context_length: int = 4096
    max_num_seqs: int = 16
    tokens: TokenTable | None = None
