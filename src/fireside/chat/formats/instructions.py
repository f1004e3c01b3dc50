"""Formats that separate turns by headings, which are ordinary text: DeepSeek Coder's and Neural Chat's.

DeepSeek Coder Instruct ends each answer with its only control token; the system text precedes the first heading:

    ### Instruction:
    user
    ### Response:
    assistant
    <|EOT|>

Neural Chat 7B v3, whose model card shows one question and its answer:

    ### System:
    system
    ### User:
    user
    ### Assistant:
    assistant

A tool's result is a user turn.
"""

from fireside.chat.formats.base import ChatFormat, Conversation
from fireside.chat.pieces import Piece, control, words
from fireside.chat.tools import as_plain_text

EOT = "<|EOT|>"
CODER_SYSTEM = (
    "You are an AI programming assistant, utilizing the Deepseek Coder model, developed by Deepseek Company, and you "
    "only answer questions related to computer science. For politically sensitive questions, security and privacy "
    "issues, and other non-computer science questions, you will refuse to answer\n"
)


def _deepseek_coder(conversation: Conversation) -> list[Piece]:
    messages = as_plain_text(conversation.messages)
    pieces: list[Piece] = []
    for index, message in enumerate(messages):
        if message.role == "system":
            pieces += words(message.content)
        elif message.role != "assistant":
            pieces += words(f"### Instruction:\n{message.content}\n")
        elif index < len(messages) - 1:
            pieces += [*words(f"### Response:\n{message.content}\n"), control(EOT), *words("\n")]
        else:
            return [*pieces, *words(f"### Response:\n{message.content}")]
    return [*pieces, *words("### Response:\n")]


def _neural_chat(conversation: Conversation) -> list[Piece]:
    headings = {"system": "System", "assistant": "Assistant"}
    messages = as_plain_text(conversation.messages)
    turns = [f"### {headings.get(message.role, 'User')}:\n{message.content}" for message in messages]
    if messages[-1].role != "assistant":
        turns.append("### Assistant:\n")
    return words("\n".join(turns))


FORMATS = (
    ChatFormat(
        name="deepseek-coder",
        title="DeepSeek Coder, ### Instruction: …",
        render=_deepseek_coder,
        ends=(EOT,),
        default_system=CODER_SYSTEM,
        always_system=True,
    ),
    ChatFormat(name="neural-chat", title="Neural Chat, ### User: …", render=_neural_chat),
)
