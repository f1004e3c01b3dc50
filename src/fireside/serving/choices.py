"""Several requests whose answers are the choices of one answer: OpenAI's `n`, and its lists of prompts."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace

from fireside.serving.types import Delta, TextRequest, TextService, Usage


@dataclass(frozen=True, slots=True)
class Choices:
    """All requests of one answer; they have one model, account and adapter.

    Args:
        requests: at least one, those of one prompt together; each counts its own usage.
        each: how many of each prompt.
    """

    requests: tuple[TextRequest, ...]
    each: int = 1

    def usage(self) -> Usage:
        """What was used so far. A prompt counts once, however many answers it has, as at OpenAI."""
        begun = [
            next((one.usage for one in self.requests[start : start + self.each] if one.usage.prompt_tokens), None)
            for start in range(0, len(self.requests), self.each)
        ]
        prompts = [usage for usage in begun if usage is not None]
        return Usage(
            sum(usage.prompt_tokens for usage in prompts),
            sum(one.usage.completion_tokens for one in self.requests),
            sum(usage.cached_tokens for usage in prompts),
        )


def generate_choices(service: TextService, choices: Choices) -> AsyncGenerator[Delta, None]:
    """The answers in pieces, as they come; see `Delta`. Closing the iterator cancels all of them.

    Raises what `TextService.generate` does: the first error ends all answers.
    """
    if len(choices.requests) == 1:
        return service.generate(choices.requests[0])
    return _interleaved(service, choices)


async def _interleaved(service: TextService, choices: Choices) -> AsyncGenerator[Delta, None]:
    ready: asyncio.Queue[Delta | Exception] = asyncio.Queue(1)  # a piece may hold a whole prompt, token by token
    begun = [asyncio.Event() for _ in choices.requests[:: choices.each]]

    async def run(number: int) -> None:
        prompt, place = divmod(number, choices.each)
        try:
            if place:
                await begun[prompt].wait()  # then the engine holds the prompt, and need not compute it again
            async with aclosing(service.generate(choices.requests[number])) as deltas:
                async for delta in deltas:
                    begun[prompt].set()
                    await ready.put(replace(delta, choice=number, usage=None))
        except Exception as error:
            await ready.put(error)

    tasks = [asyncio.create_task(run(number), name=f"choice {number}") for number in range(len(choices.requests))]
    try:
        left = len(tasks)
        while left:
            delta = await ready.get()
            if isinstance(delta, Exception):
                raise delta
            left -= delta.finish_reason is not None
            yield delta if left else replace(delta, usage=choices.usage())
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
