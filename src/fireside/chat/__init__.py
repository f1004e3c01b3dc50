"""Conversations: what a chat format makes of them, in pieces, and how calls of tools are written."""
