"""Fields of OpenAI's and vLLM's APIs that are not offered here, and would change the answer: refused by name.

A value that asks for nothing passes. Fields that do something, or change no answer, are in
`fireside.api.openai.fields`; what is in neither place is not a field of this API.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fireside.errors import FeatureUnavailable


@dataclass(frozen=True, slots=True)
class Refused:
    """A field that is refused.

    Args:
        why: and what to do, for the message.
        but: values that ask for nothing.
    """

    why: str
    but: tuple[Any, ...] = ()


_TEXT_ONLY = "this server reads and writes text only: leave it out"
_TOOLS = "OpenAI has replaced this field: send tools and tool_choice"
_OWN_TEMPLATE = "a model's chat style is the server's: leave it out, or send the whole prompt to completions"
_THINK_NOT: tuple[dict[str, bool], ...] = ({}, {"enable_thinking": False}, {"thinking": False})
_ONE_SERVER = "there is nothing of the kind in this server: leave it out"
_NO_REASONING = "no model here reasons before it answers: leave it out"
_WHOLE_PROMPT = "a prompt is never cut: shorten it"
_NO_BEAMS = "there is no beam search: leave it out, or ask for several answers with n"
_SCORES = "not offered: ask for logprobs, of a prompt by echo with logprobs on completions"

BOTH: Mapping[str, Refused] = {
    "bad_words": Refused("not offered: give their tokens a logit_bias of -100", ([],)),
    "ec_transfer_params": Refused(_ONE_SERVER),
    "guided_decoding_backend": Refused("the server has but one: leave it out"),
    "guided_whitespace_pattern": Refused("not offered: leave it out"),
    "kv_transfer_params": Refused(_ONE_SERVER),
    "length_penalty": Refused(_NO_BEAMS, (1.0,)),
    "logprob_token_ids": Refused("not offered: ask for the likeliest tokens with logprobs"),
    "priority": Refused("accounts share by turns: leave it out", (0,)),
    "prompt_logprobs": Refused(_SCORES),
    "repetition_detection": Refused("not offered: raise repetition_penalty or frequency_penalty"),
    "return_mm_kwargs": Refused(_TEXT_ONLY, (True,)),
    "return_token_offsets": Refused("not offered: completions with logprobs tell text_offset", (False,)),
    "routed_experts_prompt_start": Refused(_ONE_SERVER, (0,)),
    "stream_interval": Refused("a stream has a frame for each piece: leave it out", (1,)),
    "thinking_token_budget": Refused(_NO_REASONING, (-1,)),
    "truncate_prompt_tokens": Refused(_WHOLE_PROMPT),
    "truncation_side": Refused(_WHOLE_PROMPT),
    "use_beam_search": Refused(_NO_BEAMS, (False,)),
    "vllm_xargs": Refused(_ONE_SERVER, ({},)),
    "watermarking": Refused("not offered: leave it out", (False,)),
}

CHAT: Mapping[str, Refused] = {
    **BOTH,
    "add_special_tokens": Refused("the chat style has all it needs: leave it out", (False,)),
    "audio": Refused(_TEXT_ONLY),
    "chat_template": Refused(_OWN_TEMPLATE),
    "chat_template_kwargs": Refused(_OWN_TEMPLATE, _THINK_NOT),
    "documents": Refused("not offered: put them into a message", ([],)),
    "echo": Refused("not offered for chats: leave it out", (False,)),
    "function_call": Refused(_TOOLS, ("auto", "none")),
    "functions": Refused(_TOOLS, ([],)),
    "media_io_kwargs": Refused(_TEXT_ONLY, ({},)),
    "mm_processor_kwargs": Refused(_TEXT_ONLY, ({},)),
    "modalities": Refused(_TEXT_ONLY, (["text"],)),
    "moderation": Refused("this server moderates nothing: leave it out"),
    "reasoning_effort": Refused(_NO_REASONING, ("none",)),
    "return_prompt_text": Refused("not offered: leave it out", (False,)),
    "verbosity": Refused("not offered: say in a message how long the answer should be", ("medium",)),
    "web_search_options": Refused("this server searches nowhere: give the model a tool that does"),
}

COMPLETIONS: Mapping[str, Refused] = {
    **BOTH,
    "add_special_tokens": Refused("send the prompt as token ids, to which nothing is added", (True,)),
    "prompt_embeds": Refused("not offered: send the prompt as text or as token ids"),
    "suffix": Refused("this server does not fill in texts: send the request without", ("",)),
}


def refuse(body: Mapping[str, Any], refused: Mapping[str, Refused]) -> dict[str, Any]:
    """The fields that are left. Raises FeatureUnavailable, naming the first one that is not offered."""
    for name, field in refused.items():
        if body.get(name) is not None and body[name] not in field.but:
            raise FeatureUnavailable(f"{name}: {field.why}.")
    return {name: value for name, value in body.items() if name not in refused}
