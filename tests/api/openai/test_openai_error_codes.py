"""`error.code` is on the wire: renaming a class of ours must not change it."""

from fireside.api.http.wire_errors import WIRE_ERRORS
from fireside.api.openai.error_body import error_code

CODES = """
bad_adapter bad_body bad_grammar bad_http bad_weights batch_not_found body_too_large catalog_error config_error
context_length_exceeded download_failed engine_failed engine_lost engine_unavailable feature_unavailable
fine_tune_exists
fine_tune_incomplete fine_tune_mismatch fine_tune_not_found fine_tune_quota form_not_met headers_too_large
invalid_api_key invalid_data_type invalid_input lora_unsupported method_not_allowed model_not_downloaded
model_not_found model_not_ready no_such_route not_permitted rate_limit_exceeded request_timeout shutting_down
store_unavailable unsupported_weights
"""


def test_codes_stay_what_they_are() -> None:
    assert {error_code(kind) for kind in WIRE_ERRORS} == set(CODES.split())
