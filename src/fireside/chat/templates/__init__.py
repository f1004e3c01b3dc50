"""A checkpoint's own chat template: untrusted Jinja, rendered in a process that it may crash."""
