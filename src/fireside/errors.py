"""All errors that Fireside raises on purpose, as one tree.

FiresideError
├── RequestError                the caller can fix it
│   ├── BadHttp                 the bytes are not an HTTP/1.1 request
│   ├── HeadersTooLarge         more header bytes or fields than the server accepts
│   ├── BadBody                 no body, not JSON, not a JSON object
│   ├── InvalidInput            the body breaks the schema; carries one line per problem
│   ├── InvalidDataType         a part of the body cannot be read as the type it claims (bad UTF-8, lone surrogate)
│   ├── ContextOverflow         prompt tokens + max_tokens exceed the context window
│   ├── BadGrammar              a JSON schema or pattern that cannot be enforced
│   ├── ConstraintNotMet        the answer ended before it satisfied its structured output
│   ├── BodyTooLarge            more bytes than the server accepts
│   ├── UnknownModel            no such model in the catalog
│   ├── InvalidModelId          the model id is not of the form @hf/author/name or @cf/author/name
│   ├── ModelRetired            the hosted service has retired the model, and Fireside cannot run it
│   ├── LoraUnsupported         the model does not support adapters
│   ├── FineTuneNotFound        no such fine-tune for this account
│   ├── FineTuneIncomplete      the fine-tune lacks a file
│   ├── FineTuneExists          the account already has a fine-tune with this name
│   ├── FineTuneQuota           the account has reached its limit of fine-tunes or bytes
│   ├── FineTuneMismatch        the fine-tune was made for another model
│   ├── BadAdapter              an adapter's file is damaged, or needs an unsupported feature
│   ├── BatchNotFound           the account has no such batch, or its results have expired
│   ├── FeatureUnavailable      understood, but not offered by this server (yet, or as configured)
│   ├── NotAuthenticated        token missing, malformed, unknown or revoked
│   ├── NotPermitted            the token may not do this, or not for this account
│   ├── NoSuchRoute             no such path
│   └── MethodNotAllowed        the path does not support the method
├── CapacityError               try again later
│   ├── Busy                    the queue is full, or the caller asked not to wait
│   ├── RequestTimeout          the request did not finish within the time limit
│   ├── ModelNotReady           the model is loading, or not loaded yet
│   ├── ShuttingDown            the server is shutting down
│   └── StoreUnavailable        the database is locked, full or unreachable
├── ModelError                  the model cannot run; the operator can fix it
│   ├── ModelNotDownloaded      its weights are not on this machine
│   ├── BadWeights              a weights or tokenizer file is corrupt, truncated or of the wrong shape
│   ├── UnsupportedWeights      a valid file that Fireside does not support
│   ├── EngineUnavailable       its engine needs something that this machine lacks
│   ├── DownloadFailed          weights could not be fetched or failed their checksum
│   └── CatalogError            a catalog file is invalid (names the file and the key)
├── EngineError                 Fireside's own failure
│   ├── EngineLost              the engine process ended while it handled the request
│   └── EngineFailed            the engine reported a failure
└── ConfigError                 a setting is invalid, or settings conflict

`fireside.api.http.wire_errors` maps each leaf to its wire code and HTTP status.
"""

from collections.abc import Sequence

MAX_CHARACTERS = 2000
"""Approximate maximum length of a message."""


class FiresideError(Exception):
    """Base of all. `str(error)` is a message fit for a user: what was wrong, where, what to do.

    Clients see it, so it names files relative to their model or fine-tune, never folders of this machine. Folders go
    into notes (PEP 678), which only `for_operators` shows.

    A message may quote input of any length. Beyond `MAX_CHARACTERS` its middle is left out, because the advice is at
    the end.

    Each leaf keeps its constructor's arguments in attributes of the same names, so that the error can be recreated: in
    another process (`fireside.engine.error_codec`), or once for each request that it affects.
    """

    def __init__(self, message: str) -> None:
        self.message = message
        super().__init__(message)

    def __str__(self) -> str:
        said = super().__str__()
        left_out = len(said) - MAX_CHARACTERS
        if left_out <= 0:
            return said
        half = MAX_CHARACTERS // 2
        return f"{said[:half]}… ({left_out} characters left out) …{said[-half:]}"


class RequestError(FiresideError):
    """The caller can fix it."""


class BadHttp(RequestError):
    """The bytes are not an HTTP/1.1 request."""


class HeadersTooLarge(RequestError):
    """The request has more header bytes or fields than the server accepts."""


class BadBody(RequestError):
    """The body is missing, is not JSON, or is not a JSON object."""


class InvalidInput(RequestError):
    """The body breaks the input schema.

    Args:
        problems: one line per problem, each naming the field and its bound.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("; ".join(self.problems))


class InvalidDataType(RequestError):
    """A part of the body cannot be read as the type it claims."""


class ContextOverflow(RequestError):
    """Prompt and answer together do not fit the context window."""

    def __init__(self, prompt_tokens: int, max_tokens: int, context_length: int, *, at_least: bool = False) -> None:
        self.prompt_tokens = prompt_tokens
        self.max_tokens = max_tokens
        self.context_length = context_length
        self.at_least = at_least
        super().__init__(
            # Gateways such as litellm know this error by OpenAI's words for it, "maximum context length is".
            f"This model's maximum context length is {context_length} tokens. The prompt has "
            f"{'at least ' * at_least}{prompt_tokens} and max_tokens asks for {max_tokens} more, "
            f"{prompt_tokens + max_tokens} in all: shorten the prompt or lower max_tokens."
        )


class BadGrammar(RequestError):
    """A JSON schema, pattern or tool that cannot be enforced; the message says why."""


class ConstraintNotMet(RequestError):
    """The answer ended before it satisfied its structured output (JSON, a pattern, a tool call)."""


class BodyTooLarge(RequestError):
    """The body has more bytes than the server accepts."""


class UnknownModel(RequestError):
    """The catalog has no such model."""


class InvalidModelId(RequestError):
    """The model id is malformed."""


class ModelRetired(RequestError):
    """The hosted service has retired the model, and Fireside cannot run it."""


class LoraUnsupported(RequestError):
    """The model does not support adapters."""


class FineTuneNotFound(RequestError):
    """The account has no fine-tune with this id or name."""


class FineTuneIncomplete(RequestError):
    """The fine-tune lacks a file; the message names it."""


class FineTuneExists(RequestError):
    """The account already has a fine-tune with this name."""


class FineTuneQuota(RequestError):
    """The account has reached its limit of fine-tunes or bytes."""


class FineTuneMismatch(RequestError):
    """The fine-tune was made for another model."""


class BadAdapter(RequestError):
    """An adapter's file is damaged, or needs an unsupported feature; the message names file and reason."""


class BatchNotFound(RequestError):
    """The account has no batch with this id, or its results have expired."""


class FeatureUnavailable(RequestError):
    """A known feature that this server does not offer."""


class NotAuthenticated(RequestError):
    """Token missing, malformed, unknown or revoked."""


class NotPermitted(RequestError):
    """The token is valid but does not permit this."""


class NoSuchRoute(RequestError):
    """No such path."""


class MethodNotAllowed(RequestError):
    """The path does not support this method.

    Args:
        message: text for the client.
        allowed: the methods that the path supports.
    """

    def __init__(self, message: str, allowed: Sequence[str] = ()) -> None:
        self.allowed = tuple(allowed)
        super().__init__(message)


class CapacityError(FiresideError):
    """Nothing is wrong with the request; try again later."""


class Busy(CapacityError):
    """The queue is full, or the caller asked not to wait."""


class RequestTimeout(CapacityError):
    """The request did not finish within the server's time limit."""


class ModelNotReady(CapacityError):
    """The model is loading, or not loaded yet."""


class ShuttingDown(CapacityError):
    """The server is shutting down."""


class StoreUnavailable(CapacityError):
    """The database is locked, full or unreachable."""


class ModelError(FiresideError):
    """The model cannot run as it is; the operator can fix it."""


class ModelNotDownloaded(ModelError):
    """The model's weights are not on this machine."""


class BadWeights(ModelError):
    """A weights or tokenizer file is corrupt, truncated or of the wrong shape."""


class UnsupportedWeights(ModelError):
    """A valid file that Fireside does not support."""


class EngineUnavailable(ModelError):
    """The model's engine needs something that this machine lacks; the message says what."""


class DownloadFailed(ModelError):
    """Weights could not be fetched, or failed their checksum."""


class CatalogError(ModelError):
    """A catalog file is invalid; the message names file and key."""


class EngineError(FiresideError):
    """Fireside's own failure, not the caller's."""


class EngineLost(EngineError):
    """The engine process ended while it handled the request."""


class EngineFailed(EngineError):
    """The engine reported a failure."""


class ConfigError(FiresideError):
    """A setting is invalid, or settings conflict."""


def for_operators(error: BaseException) -> str:
    """The message with the local paths it concerns: for terminals and logs, never for clients."""
    return " ".join([str(error), *getattr(error, "__notes__", ())])


def missing_extra(what: str, extra: str) -> ConfigError:
    """The error for a setting that needs an extra of pyproject.toml.

    It advises a local install: the package's name on an index may belong to someone else.
    """
    return ConfigError(
        f"{what}: the packages for this are not installed. In your copy of Fireside, run: make extras. Or: "
        f"pip install '.[{extra}]'"
    )
