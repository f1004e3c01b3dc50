"""Answers held to a grammar: which tokens may come next.

Grammars come from requests, so each is compiled first in a process that may die of it (`check`, `checker`), then in a
thread of the engine (`compiler`), beside the steps of all other requests.
"""
