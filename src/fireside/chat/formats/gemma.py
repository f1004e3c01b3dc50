"""Gemma 1 to 3: user and model turns only. System text goes before the text of the first user turn.

    <bos><start_of_turn>user
    system

    user<end_of_turn>
    <start_of_turn>model

As in the models' own template, whitespace around contents is stripped. Where that template raises on roles that do not
alternate, adjacent turns of one side are joined by a blank line. The models have no tool format of their own: tools are
described as in Hermes, and a tool's result is a user turn.
"""

from fireside.chat.formats.base import BLANK_LINE, ChatFormat, Conversation, two_sides
from fireside.chat.pieces import Piece, control, words
from fireside.chat.tools import as_plain_text

BOS = "<bos>"
START, END = "<start_of_turn>", "<end_of_turn>"


def _render(conversation: Conversation) -> list[Piece]:
    system, turns = two_sides(as_plain_text(conversation.messages))
    prefix = system + BLANK_LINE if system else ""
    if (prefix or not turns) and all(assistant for assistant, _ in turns):
        turns.insert(0, (False, ""))
    pieces = [control(BOS)]
    for index, (assistant, content) in enumerate(turns):
        pieces.append(control(START))
        if assistant and index == len(turns) - 1:
            return [*pieces, *words(f"model\n{content.lstrip()}")]  # not closed
        pieces += words("model\n" if assistant else "user\n")
        if not assistant:
            pieces += words(prefix)
            prefix = ""
        pieces += [*words(content.strip()), control(END), *words("\n")]
    return [*pieces, control(START), *words("model\n")]


FORMATS = (ChatFormat(name="gemma", title="Gemma, <start_of_turn> …", render=_render, ends=(END, "<eos>")),)
