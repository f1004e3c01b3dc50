"""Prompting: what the model reads (chat styles, tokens) and what it says (tokens to text)."""

from fireside.prompting.byte_tokenizer import ByteTokenizer
from fireside.prompting.detokenizer import Detokenizer
from fireside.prompting.ends import stop_ids
from fireside.prompting.folder import open_tokenizer
from fireside.prompting.messages import Message, Role
from fireside.prompting.pieces import Piece
from fireside.prompting.prompt import PromptTooLong, build_prompt, prompt_pieces, prompt_text, render
from fireside.prompting.spec import PromptSpec
from fireside.prompting.tokenizer import Tokenizer
from fireside.prompting.vocabulary import Vocabulary

__all__ = [
    "ByteTokenizer",
    "Detokenizer",
    "Message",
    "Piece",
    "PromptSpec",
    "PromptTooLong",
    "Role",
    "Tokenizer",
    "Vocabulary",
    "build_prompt",
    "open_tokenizer",
    "prompt_pieces",
    "prompt_text",
    "render",
    "stop_ids",
]
