"""From logits to the next token: processors change logits, truncations cut the distribution, the sampler draws."""
