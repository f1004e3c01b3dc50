"""Answers constrained by a grammar: which tokens may come next.

Grammars come from requests. So each is first compiled in a process that it may crash (`check`, `checker`), and then in
a thread of the engine (`compiler`), in parallel with the steps of other requests.
"""
