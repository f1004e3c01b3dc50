"""Conversations: rendering them in a chat format as pieces, and writing tool calls."""
