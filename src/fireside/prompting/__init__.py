"""Prompting: requests to token ids (chat formats, tokenizers), and token ids back to text."""

from fireside.chat.formats import ChatFormat
from fireside.chat.messages import Message, Role
from fireside.chat.pieces import Piece
from fireside.prompting.byte_tokenizer import ByteTokenizer
from fireside.prompting.detokenizer import Detokenizer
from fireside.prompting.ends import stop_ids
from fireside.prompting.folder import open_tokenizer
from fireside.prompting.prompt import (
    PromptTooLong,
    answer_bytes,
    build_prompt,
    format_of,
    prompt_pieces,
    prompt_text,
    render,
    spelled_tokens,
)
from fireside.prompting.tokenizer import Tokenizer
from fireside.prompting.vocabulary import Vocabulary

__all__ = [
    "ByteTokenizer",
    "ChatFormat",
    "Detokenizer",
    "Message",
    "Piece",
    "PromptTooLong",
    "Role",
    "Tokenizer",
    "Vocabulary",
    "answer_bytes",
    "build_prompt",
    "format_of",
    "open_tokenizer",
    "prompt_pieces",
    "prompt_text",
    "render",
    "spelled_tokens",
    "stop_ids",
]
