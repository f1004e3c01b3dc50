"""Builds a request's prompt: scoped, unscoped or raw."""

import re
from collections.abc import Sequence

from fireside.chat.formats import TEMPLATE, ChatFormat, Conversation, formats
from fireside.chat.formats.base import blank_lined
from fireside.chat.messages import Message, ToolOffer
from fireside.chat.pieces import Piece, joined
from fireside.chat.spec import PromptSpec
from fireside.chat.templates.format import template_format
from fireside.chat.templates.renderer import TemplateRenderer
from fireside.chat.tools import as_plain_text
from fireside.errors import InvalidInput, UnsupportedWeights
from fireside.prompting.vocabulary import Lead, Vocabulary

_LIKE_A_TOKEN = re.compile(r"<[^<>\s]{1,64}>|\[/?[A-Z_]{2,32}\]")
"""Texts that look like special tokens; the tokenizer knows which of them are."""


class PromptTooLong(Exception):
    """The prompt has too many tokens.

    Args:
        least: a lower bound on their number.
    """

    def __init__(self, least: int) -> None:
        self.least = least
        super().__init__(f"{least} tokens or more")


def build_prompt(
    *,
    prompt: str | None = None,
    messages: Sequence[Message] | None = None,
    raw: bool = False,
    note: str = "",
    offer: ToolOffer | None = None,
    spec: PromptSpec,
    tokenizer: Vocabulary,
    most: int | None = None,
    renderer: TemplateRenderer | None = None,
) -> list[int]:
    """Token ids of the prompt, at least one. This takes CPU time: call it from a thread, not from the event loop.

    Scoped (`messages`): the conversation in the model's format. Unscoped (`prompt`): one user turn after the format's
    default system message. `raw`: the text as it is, special tokens included; of raw messages, the contents joined by
    newlines. BOS goes first if the tokenizer adds one, unless the prompt already begins with it.

    Args:
        prompt: one text. Exactly one of `prompt` and `messages` is set.
        messages: a conversation.
        raw: whether to use no template.
        note: text for the end of the system message; ignored for raw prompts and models without a template, which have
            no system message.
        offer: tools to describe to the model; ignored likewise.
        spec: the model's prompt settings.
        tokenizer: the model's tokenizer.
        most: the maximum number of tokens, checked early: building stops as soon as the prompt is certain to exceed it.
        renderer: for models with their own template; None opens one for this prompt.

    Raises:
        PromptTooLong: the prompt is certain to have more than `most` tokens. A prompt that is returned may still exceed
            it slightly.
        InvalidInput: the prompt is empty.
        UnsupportedWeights: the tokenizer lacks a control token of the format, or the model's template cannot be used.
        EngineFailed: no process can be started to render the model's template.
    """
    if raw:
        text = _raw_text(prompt, messages)
        _check_length(0, text, tokenizer, most)
        ids = tokenizer.encode(text, control=True)
    else:
        chat = format_of(spec, tokenizer, renderer)
        if spec.style == TEMPLATE and messages is not None:
            # Reject oversized messages before the template renders them.
            _check_length(0, "".join(message.content for message in messages), tokenizer, most)
        ids = _encode(_pieces(prompt, messages, note, offer, spec, chat), spec, tokenizer, most)
    bos = tokenizer.bos_id
    if tokenizer.add_bos and bos is not None and ids[:1] != [bos]:
        ids.insert(0, bos)
    if not ids:
        raise InvalidInput([f"{'messages' if prompt is None else 'prompt'}: must contain some text, got none"])
    return ids


def prompt_text(
    *,
    prompt: str | None = None,
    messages: Sequence[Message] | None = None,
    raw: bool = False,
    note: str = "",
    offer: ToolOffer | None = None,
    spec: PromptSpec,
    tokenizer: Vocabulary,
) -> str:
    """The exact text the model sees, control tokens as text. Arguments and InvalidInput as in `build_prompt`."""
    pieces = prompt_pieces(
        prompt=prompt, messages=messages, raw=raw, note=note, offer=offer, spec=spec, tokenizer=tokenizer
    )
    return "".join(piece.text for piece in pieces)


def prompt_pieces(
    *,
    prompt: str | None = None,
    messages: Sequence[Message] | None = None,
    raw: bool = False,
    note: str = "",
    offer: ToolOffer | None = None,
    spec: PromptSpec,
    tokenizer: Vocabulary | None,
    renderer: TemplateRenderer | None = None,
) -> list[Piece]:
    """The same text in pieces, which distinguish control tokens from text that looks like them.

    Without a tokenizer (the model is not on this machine), the control tokens of the model's format are recognised in a
    raw text, and a BOS that only the tokenizer adds is missing. Other arguments and InvalidInput as in `build_prompt`.
    """
    if raw:
        pieces = _raw_pieces(prompt, messages, spec, tokenizer)
    else:
        pieces = _pieces(prompt, messages, note, offer, spec, format_of(spec, tokenizer, renderer))
        if tokenizer is not None:
            pieces = _known(pieces, tokenizer)
    if tokenizer is not None and tokenizer.add_bos and tokenizer.bos_token is not None:
        bos = Piece(tokenizer.bos_token, control=True)
        if pieces[:1] != [bos]:
            pieces.insert(0, bos)
    return pieces


def render(messages: Sequence[Message], spec: PromptSpec, offer: ToolOffer | None = None) -> list[Piece]:
    """Render the conversation in the model's format, up to where the answer begins. Adjacent texts are one piece.

    Raises InvalidInput if there are no messages.
    """
    return _rendered(messages, "", offer, spec, format_of(spec))


def format_of(
    spec: PromptSpec, tokenizer: Vocabulary | None = None, renderer: TemplateRenderer | None = None
) -> ChatFormat:
    """The chat format that a model's prompt settings name. The checkpoint's own template needs its tokenizer.

    `renderer` as in `build_prompt`. Raises UnsupportedWeights if the settings ask for a template that the checkpoint
    lacks.
    """
    if spec.style != TEMPLATE or tokenizer is None:
        return formats()[spec.style]
    if tokenizer.chat_template is None:
        raise UnsupportedWeights(
            "prompt.style in the model's catalog file is \"template\", but the model's files have no chat template: no "
            "chat_template.jinja, and no chat_template in tokenizer_config.json or GGUF's metadata. Name one of "
            "Fireside's chat formats instead."
        )
    return template_format(tokenizer.chat_template, tokenizer.added_tokens, renderer)


def spelled_tokens(chat: ChatFormat, tokenizer: Vocabulary) -> dict[int, bytes]:
    """The tokens that answers write as text although they may be special: id to UTF-8 text.

    Grammars and the detokenizer must agree on them.
    """
    texts = (*chat.dialect.tokens, *(chat.thinking or ()))
    known = {tokenizer.special_id(text): text.encode() for text in texts}
    return {token: text for token, text in known.items() if token is not None}


def answer_bytes(spec: PromptSpec, tokenizer: Vocabulary) -> list[bytes]:
    """The bytes of each token, by id, in an answer constrained by a grammar."""
    table = [tokenizer.token_bytes(token) for token in range(tokenizer.vocab_size)]
    for token, text in spelled_tokens(format_of(spec, tokenizer), tokenizer).items():
        table[token] = text
    return table


def default_system(spec: PromptSpec) -> str | None:
    """The system message of an unscoped prompt: the catalog file's, or else the format's."""
    return format_of(spec).default_system if spec.default_system is None else spec.default_system


def control_texts(spec: PromptSpec) -> frozenset[str]:
    """The control tokens that the model's format requires, and those that the catalog file names in `stop`."""
    if spec.style == TEMPLATE:
        return frozenset(spec.stop)
    conversation = [Message("user", "a"), Message("assistant", "b"), Message("user", "c")]
    written = (piece.text for piece in render(conversation, spec) if piece.control and not piece.optional)
    return frozenset(written) | frozenset(spec.stop)


def _raw_pieces(
    prompt: str | None, messages: Sequence[Message] | None, spec: PromptSpec, tokenizer: Vocabulary | None
) -> list[Piece]:
    text = _raw_text(prompt, messages)
    known = control_texts(spec)
    pieces: list[Piece] = []
    plain_from = 0
    for match in _LIKE_A_TOKEN.finditer(text):
        token = match[0]
        if token in known if tokenizer is None else tokenizer.special_id(token) is not None:
            if plain := text[plain_from : match.start()]:
                pieces.append(Piece(plain, control=False))
            pieces.append(Piece(token, control=True))
            plain_from = match.end()
    rest = text[plain_from:]
    return [*pieces, Piece(rest, control=False)] if rest else pieces


def _pieces(
    prompt: str | None,
    messages: Sequence[Message] | None,
    note: str,
    offer: ToolOffer | None,
    spec: PromptSpec,
    chat: ChatFormat,
) -> list[Piece]:
    if messages is None:
        system, question = default_system(spec), Message("user", _given(prompt))
        messages = [question] if system is None else [Message("system", system), question]
    return _rendered(messages, note, offer, spec, chat)


def _rendered(
    messages: Sequence[Message], note: str, offer: ToolOffer | None, spec: PromptSpec, chat: ChatFormat
) -> list[Piece]:
    """Add the default system message and the note, and render. Raises InvalidInput if there are no messages."""
    if not messages:
        raise InvalidInput(["messages: must contain at least one message, got none"])
    if not chat.has_system:
        note, offer = "", None
    if offer is not None and chat.dialect.describe is not None:
        note = blank_lined([chat.dialect.describe(offer.tools, offer.must), note])
    has_system = messages[0].role == "system"
    always = spec.always_system or chat.always_system
    implied = default_system(spec) if always and not has_system else None
    if note:
        said = messages[0].content if has_system else implied
        messages = [Message("system", blank_lined([said or "", note])), *messages[has_system:]]
    elif implied is not None:
        messages = [Message("system", implied), *messages]
    return joined(chat.render(Conversation(messages, offer, spec.thinking)))


def _raw_text(prompt: str | None, messages: Sequence[Message] | None) -> str:
    if messages is None:
        return _given(prompt)
    if not messages:
        raise InvalidInput(["messages: must contain at least one message, got none"])
    return "\n".join(message.content for message in as_plain_text(messages))


def _given(prompt: str | None) -> str:
    if prompt is None:
        raise InvalidInput(["prompt: is required unless messages are given"])
    return prompt


def _check_length(before: int, text: str, tokenizer: Vocabulary, most: int | None) -> None:
    """Raise PromptTooLong if `text` after `before` tokens is certain to exceed `most` tokens."""
    longest = tokenizer.longest_token
    least = before + (-(-len(text) // longest) if longest else 0)
    if most is not None and least > most:
        raise PromptTooLong(least)


def _known(pieces: Sequence[Piece], tokenizer: Vocabulary) -> list[Piece]:
    """The same pieces; optional tokens that this vocabulary lacks become text."""
    if not any(piece.optional for piece in pieces):
        return list(pieces)
    return joined(
        Piece(piece.text, control=tokenizer.special_id(piece.text) is not None) if piece.optional else piece
        for piece in pieces
    )


def _encode(pieces: Sequence[Piece], spec: PromptSpec, tokenizer: Vocabulary, most: int | None) -> list[int]:
    ids: list[int] = []
    for index, piece in enumerate(_known(pieces, tokenizer)):
        _check_length(len(ids), piece.text, tokenizer, most)
        if not piece.control:
            lead: Lead = "sentence" if piece.sentence else "inner" if index else "start"
            ids += tokenizer.encode(piece.text, control=False, lead=lead)
            continue
        token = tokenizer.special_id(piece.text)
        if token is None:
            raise UnsupportedWeights(
                f"The prompt style {spec.style!r} needs the special token {piece.text}, which this model's tokenizer "
                "does not have. Choose another style in the model's catalog file, or use raw prompts."
            )
        ids.append(token)
    return ids
