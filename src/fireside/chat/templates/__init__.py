"""A checkpoint's own chat template: Jinja that strangers wrote, rendered in a process that may die of it."""
