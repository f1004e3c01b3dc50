"""The fields of vLLM's two routes (0.33, vllm/entrypoints/openai), and the guided_ ones of 0.10."""

BOTH = """
model frequency_penalty logit_bias logprobs max_tokens n presence_penalty seed stop stream stream_options
temperature top_p user use_beam_search top_k min_p repetition_penalty watermarking length_penalty stop_token_ids
include_stop_str_in_output ignore_eos min_tokens skip_special_tokens spaces_between_special_tokens
truncate_prompt_tokens truncation_side prompt_logprobs logprob_token_ids allowed_token_ids bad_words echo
add_special_tokens response_format structured_outputs priority request_id session_id return_tokens_as_token_ids
return_token_ids routed_experts_prompt_start return_token_offsets return_mm_kwargs cache_salt kv_transfer_params
ec_transfer_params vllm_xargs repetition_detection thinking_token_budget stream_interval guided_json guided_regex
guided_choice guided_grammar guided_decoding_backend guided_whitespace_pattern
"""
CHAT = f"""{BOTH}
messages top_logprobs max_completion_tokens tools tool_choice reasoning_effort include_reasoning parallel_tool_calls
add_generation_prompt continue_final_message documents chat_template chat_template_kwargs media_io_kwargs
mm_processor_kwargs return_prompt_text
"""
COMPLETIONS = f"{BOTH} prompt suffix prompt_embeds"
