"""LoRA adapters: checked when they are uploaded, kept where every server finds them, never seen half."""
