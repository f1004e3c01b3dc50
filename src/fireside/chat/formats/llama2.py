"""Llama 2 Chat: each question and its answer form one sentence; the system text is inside the first question.

    <s>[INST] <<SYS>>
    system
    <</SYS>>

    user [/INST] assistant </s><s>[INST] user [/INST]

Only `<s>` and `</s>` are control tokens. As in Meta's own code and template, whitespace around texts is stripped. Where
those raise on roles that do not alternate, adjacent turns of one side are joined by a blank line.
"""

from fireside.chat.formats.base import ChatFormat, Conversation, two_sides
from fireside.chat.pieces import Piece, control, sentence
from fireside.chat.tools import as_plain_text

BOS = "<s>"
EOS = "</s>"


def _render(conversation: Conversation) -> list[Piece]:
    system, turns = two_sides(as_plain_text(conversation.messages))
    if system or not turns:
        first = next((index for index, (assistant, _) in enumerate(turns) if not assistant), None)
        if first is None:
            turns.insert(0, (False, ""))
        turns[first or 0] = (False, f"<<SYS>>\n{system}\n<</SYS>>\n\n{turns[first or 0][1]}")
    pieces: list[Piece] = []
    said = ""
    for index, (assistant, content) in enumerate(turns):
        if not assistant:
            said += f"{' ' if said else ''}[INST] {content.strip()} [/INST]"
        elif index == len(turns) - 1:
            said += f"{' ' if said else ''}{content.lstrip()}"  # not closed
        else:
            said += f"{' ' if said else ''}{content.strip()} "
            pieces += [control(BOS), *sentence(said), control(EOS)]
            said = ""
    return [*pieces, control(BOS), *sentence(said)]


FORMATS = (ChatFormat(name="llama2", title="Llama 2, [INST] <<SYS>> …", render=_render, ends=(EOS,)),)
