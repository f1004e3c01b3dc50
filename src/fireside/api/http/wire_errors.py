"""The one table from each error of `fireside.errors` to what goes over the wire.

Codes are those of the hosted service where it has one (its documentation's error table, and users' reports for 3043,
5021, 5024 and 5028). The 51xx codes are Fireside's own: the hosted service has no notion of an operator who must act.
"""

from dataclasses import dataclass

from fireside import errors as e


@dataclass(frozen=True, slots=True)
class WireError:
    """Code in the envelope, and HTTP status."""

    code: int
    status: int


WIRE_ERRORS: dict[type[e.FiresideError], WireError] = {
    e.BadHttp: WireError(3003, 400),
    e.HeadersTooLarge: WireError(3006, 431),
    e.BadBody: WireError(3003, 400),
    e.InvalidInput: WireError(5006, 400),
    e.InvalidDataType: WireError(5004, 400),
    e.ContextOverflow: WireError(5021, 400),
    e.BadGrammar: WireError(5006, 400),
    e.ConstraintNotMet: WireError(5024, 400),
    e.BodyTooLarge: WireError(3006, 413),
    e.UnknownModel: WireError(5007, 400),
    e.InvalidModelId: WireError(3042, 404),
    e.ModelRetired: WireError(5028, 400),
    e.LoraUnsupported: WireError(5005, 405),
    e.FineTuneNotFound: WireError(3037, 404),
    e.FineTuneIncomplete: WireError(3039, 400),
    # 400 and not 409: the official clients retry a 409, and asking again does not help here.
    e.FineTuneExists: WireError(5110, 400),
    e.FineTuneMismatch: WireError(5111, 400),
    e.BadAdapter: WireError(5112, 400),
    e.FineTuneQuota: WireError(5113, 400),
    e.BatchNotFound: WireError(5114, 404),
    # 400 and not 501: clients retry a 5xx, and asking again does not help here.
    e.FeatureUnavailable: WireError(5100, 400),
    e.NotAuthenticated: WireError(10000, 401),
    e.NotPermitted: WireError(10000, 403),
    e.NoSuchRoute: WireError(7003, 404),
    e.MethodNotAllowed: WireError(7001, 405),
    e.Busy: WireError(3040, 429),
    e.RequestTimeout: WireError(3007, 408),
    e.ModelNotReady: WireError(5106, 503),
    e.ShuttingDown: WireError(3043, 503),
    e.StoreUnavailable: WireError(3043, 503),
    e.ModelNotDownloaded: WireError(5101, 503),
    e.BadWeights: WireError(5102, 503),
    e.UnsupportedWeights: WireError(5103, 503),
    e.DownloadFailed: WireError(5104, 503),
    e.CatalogError: WireError(5105, 503),
    e.EngineUnavailable: WireError(5107, 503),
    e.EngineLost: WireError(3043, 500),
    e.EngineFailed: WireError(3043, 500),
    e.ConfigError: WireError(3043, 500),
}

INTERNAL_ERROR = WireError(3043, 500)
INTERNAL_MESSAGE = "Internal server error. The server's log says more under this answer's cf-ai-req-id."

RETRY_AFTER_SECONDS = 1
"""Said to a client that was refused because the queue is full: slots free up within seconds."""


def wire_error(error: BaseException) -> WireError:
    """The table's entry for an error; any error that is not Fireside's own is an internal one."""
    return wire_error_of(type(error))


def wire_error_of(kind: type[BaseException]) -> WireError:
    """The same for a kind of error."""
    return next((WIRE_ERRORS[base] for base in kind.__mro__ if base in WIRE_ERRORS), INTERNAL_ERROR)


def wire_message(error: BaseException) -> str:
    """The text for the client. Only errors raised on purpose speak; the text of any other could give something away."""
    return str(error) if isinstance(error, e.FiresideError) else INTERNAL_MESSAGE


def error_headers(error: BaseException) -> dict[str, str]:
    """Headers that the error's status calls for."""
    match error:
        case e.NotAuthenticated():
            return {"www-authenticate": "Bearer"}
        case e.MethodNotAllowed():
            return {"allow": ", ".join(error.allowed)}
        case e.Busy():
            return {"retry-after": str(RETRY_AFTER_SECONDS)}
        case _:
            return {}
