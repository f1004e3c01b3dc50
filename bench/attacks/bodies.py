"""Bodies that cost the server far more than they cost to send."""

from collections import Counter

from bench.attacks.target import Target, in_a_loop, zipped

_JSON = "Content-Type: application/json", "Content-Encoding: gzip"


def _post(target: Target, path: str, body: object) -> bytes:
    return target.request("POST", path, zipped(body), *_JSON)


async def many_messages(target: Target, seconds: float) -> Counter[str]:
    """400,000 wrong messages in 1.2 kB."""
    return await in_a_loop(target, seconds, [_post(target, target.run, {"messages": [{}] * 400_000})], at_once=8)


async def most_messages(target: Target, seconds: float) -> Counter[str]:
    """As many wrong messages as fit into a body of 8 MB."""
    return await in_a_loop(target, seconds, [_post(target, target.run, {"messages": [{}] * 2_700_000})], at_once=2)


async def many_functions(target: Target, seconds: float) -> Counter[str]:
    """A preview with 60,000 functions."""
    functions = [{"name": "f", "code": "const f = (a) => a"}] * 60_000
    body = {"messages": [{"role": "user", "content": "hi"}], "functions": functions}
    return await in_a_loop(target, seconds, [_post(target, f"/api/models/{target.model}/preview", body)], at_once=4)


async def wide_bodies(target: Target, seconds: float) -> Counter[str]:
    """Wide lists and maps in every place that takes one, on every route that takes a body."""
    hi = {"role": "user", "content": "hi"}
    wide = {str(number): 0 for number in range(50_000)}
    run = [
        {"messages": [hi | {"content": [{"type": "text", "text": ""}] * 50_000}]},
        {"messages": [hi], "tools": [{"name": "f"}] * 50_000},
        {"messages": [hi], "tools": [{"name": "f", "parameters": wide}]},
        {"messages": [hi], "response_format": {"type": "json_schema", "json_schema": {"enum": [*wide]}}},
        {"messages": [hi], "guided_json": {"properties": wide}},
        {"messages": [{"role": "assistant", "content": "", "tool_calls": [{"name": "f", "arguments": {}}] * 50_000}]},
        {"requests": [{"prompt": "hi"}] * 50_000},
        wide,
    ]
    chat = [
        {"model": target.model, "messages": [hi] * 50_000},
        {"model": target.model, "messages": [hi], "stop": ["a"] * 50_000},
        {"model": target.model, "messages": [hi], "logit_bias": wide},
        {"model": target.model, "messages": [hi], "functions": [wide] * 2},
        {"model": target.model, "messages": [hi], "metadata": wide},
    ]
    texts = [{"model": target.model, "prompt": ["a"] * 50_000}, {"model": target.model, "prompt": [[1] * 50_000]}]
    requests = [_post(target, target.run, body) for body in run]
    requests += [_post(target, f"{target.base}/v1/chat/completions", body) for body in chat]
    requests += [_post(target, f"{target.base}/v1/completions", body) for body in texts]
    requests += [_post(target, f"{target.base}/finetunes", wide), _post(target, f"{target.base}/binding/run", wide)]
    return await in_a_loop(target, seconds, requests, at_once=4)


async def large_plain_bodies(target: Target, seconds: float) -> Counter[str]:
    """The largest body there may be, of text that is fine except for its length, thirty times at once."""
    body = b'{"prompt":"' + b"a" * 8_000_000 + b'"}'
    return await in_a_loop(target, seconds, [target.request("POST", target.run, body)], at_once=30)


async def many_digits(target: Target, seconds: float) -> Counter[str]:
    """Eight prompts of 62 messages of 131,000 digits each."""
    messages = [{"role": "user", "content": "1234567890" * 13_100}] * 62
    return await in_a_loop(target, seconds, [_post(target, target.run, {"messages": messages})], at_once=8)
