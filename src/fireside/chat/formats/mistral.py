"""Mistral 7B Instruct v0.1 and v0.2, as in `mistral_common`'s v1 tokenizer.

    <s>[INST] user [/INST] assistant</s>[INST] user [/INST]

There is one space inside each bracket and one before the assistant's text, none before `</s>`. "[INST]" is ordinary
text in this vocabulary, and each stretch between control tokens is a separate sentence ("▁" before its first word).
System messages, wherever they occur, go before the first user text, separated by a blank line. Where Mistral's
published Jinja template raises on roles that do not alternate, adjacent turns of one side are joined by a blank line.
"""

from fireside.chat.formats.base import ChatFormat, Conversation, blank_lined, two_sides
from fireside.chat.pieces import Piece, control, sentence
from fireside.chat.tools import as_plain_text

BOS = "<s>"
EOS = "</s>"


def _render(conversation: Conversation) -> list[Piece]:
    pieces = [control(BOS)]
    turns = _turns(*two_sides(as_plain_text(conversation.messages)))
    said = ""
    for index, (assistant, content) in enumerate(turns):
        # A space separates this turn from the previous one; after a control token, the new sentence's "▁" does.
        if said and (content or not assistant):
            said += " "
        said += content if assistant else f"[INST] {content} [/INST]"
        if assistant and index < len(turns) - 1:
            pieces += [*sentence(said), control(EOS)]
            said = ""
    return [*pieces, *sentence(said)]


def _turns(system: str, turns: list[tuple[bool, str]]) -> list[tuple[bool, str]]:
    """The turns with the system text in the first user turn, which is added if there is none."""
    if turns and not system:
        return turns
    for index, (assistant, content) in enumerate(turns):
        if not assistant:
            turns[index] = (False, blank_lined((system, content)))
            return turns
    return [(False, system), *turns]


FORMATS = (ChatFormat(name="mistral", title="Mistral, [INST] … [/INST]", render=_render, ends=(EOS,)),)
