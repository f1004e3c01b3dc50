"""More requests at once than the model has places."""

from collections import Counter

from bench.attacks.target import Target, in_a_loop, zipped


async def _streams(target: Target, seconds: float, at_once: int) -> Counter[str]:
    body = zipped({"prompt": "word " * 1600, "stream": True, "max_tokens": 8000})
    request = target.request("POST", target.run, body, "Content-Encoding: gzip")
    return await in_a_loop(target, seconds, [request], at_once=at_once)


async def streams_100(target: Target, seconds: float) -> Counter[str]:
    """100 long streams."""
    return await _streams(target, seconds, 100)


async def streams_560(target: Target, seconds: float) -> Counter[str]:
    """560 long streams: more than the queue takes."""
    return await _streams(target, seconds, 560)
