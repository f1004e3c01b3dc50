"""From OpenAI's fields to the requests whose answers are the choices."""

from dataclasses import replace

from msgspec import structs

from fireside.api.openai.fields import SEEDS, ChatInput, CompletionInput
from fireside.api.schema.tool_fields import tool_choice
from fireside.errors import FeatureUnavailable
from fireside.serving.choices import Choices
from fireside.serving.types import TextRequest, Usage


def chat_choices(parsed: ChatInput, model: str, account: str) -> Choices:
    """The requests of a chat completion for `model` (an id without a fine-tune's name).

    Raises InvalidInput when fields do not go together, FeatureUnavailable for structured output and tools together.
    """
    tools = tuple(tool.typed() for tool in parsed.tools)
    request = replace(
        _request(parsed, model, account),
        messages=tuple(turn.typed() for turn in parsed.messages),
        tools=tools,
        tool_choice=tool_choice(parsed.tool_choice, [tool.name for tool in tools]),
        scores=parsed.top_logprobs if parsed.logprobs else None,
    )
    asked = parsed.structured_output()
    if asked is not None and request.offered_tools:
        raise FeatureUnavailable(f"{asked[0]}: not together with tools that may be called.")
    return Choices(_seeded(request, parsed.n), parsed.n)


def completion_choices(parsed: CompletionInput, model: str, account: str) -> Choices:
    """The requests of a completion, prompt by prompt: each prompt goes to the model as it is."""
    scores = parsed.logprobs
    if parsed.each > parsed.n and scores is None:
        scores = 0  # by which the best are found
    request = replace(_request(parsed, model, account), raw=True, scores=scores, echo=parsed.echo)
    requests: list[TextRequest] = []
    for prompt in parsed.prompt:
        one = replace(request, prompt=prompt) if isinstance(prompt, str) else replace(request, prompt_ids=prompt)
        requests += _seeded(one, parsed.each)
    return Choices(tuple(requests), parsed.each)


def _request(parsed: ChatInput | CompletionInput, model: str, account: str) -> TextRequest:
    limit, asked = parsed.most_tokens, parsed.structured_output()
    return TextRequest(
        model=model,
        max_tokens=parsed.default_tokens if limit is None else limit,
        clip=limit is None,
        sampling=parsed.sampling(),
        account=account,
        wait=not parsed.options.reject_if_busy,
        cache_salt=parsed.cache_salt or "",
        stop=tuple(parsed.stop),
        stop_ids=tuple(parsed.stop_token_ids),
        ignore_end=parsed.ignore_eos,
        keep_stop=parsed.include_stop_str_in_output,
        write_special=not parsed.skip_special_tokens,
        structured_output=asked[1] if asked else None,
        keep_cut=True,
        tell_ids=parsed.return_token_ids,
    )


def _seeded(request: TextRequest, count: int) -> tuple[TextRequest, ...]:
    """So many times the same, except for the seed: the first keeps it, each further one has the next, as in vLLM."""
    seed = request.sampling.seed
    return tuple(
        replace(
            request,
            sampling=structs.replace(request.sampling, seed=None if seed is None else (seed + place) % SEEDS),
            usage=Usage(),
        )
        for place in range(count)
    )
