"""Decides whose turn it is by the work done for each account.

This is the virtual token counter of "Fairness in Serving Large Language Models" (Sheng et al., OSDI 2024, arXiv
2401.00588). Each account has a counter of the tokens computed for it, in which answer tokens weigh more than prompt
tokens. The account with the lowest counter is served next. When an account returns after a pause, its counter is raised
to the lowest of the waiting accounts, so that nobody saves up turns while away.
"""

from collections import Counter, OrderedDict

PROMPT_WEIGHT = 1
ANSWER_WEIGHT = 2
"""The cost of a token, as in the paper: an answer token takes a step of its own, prompt tokens share one."""

MAX_ACCOUNTS = 4096
"""Maximum number of accounts remembered. The one served longest ago is forgotten first and then counts as new."""


class VirtualTokenCounter:
    """Keeps the counters; the caller reports who waits, who is served and what was computed."""

    def __init__(self) -> None:
        self._costs: OrderedDict[str, int] = OrderedDict()
        self._waiting: Counter[str] = Counter()
        self._last = ""
        """The account that last left the queue."""

    def cost(self, account: str) -> int:
        """The account's counter: the weighted tokens computed for it, plus what was added when it was raised."""
        return self._costs.get(account, 0)

    def wait(self, account: str) -> None:
        """Note that a request of the account starts to wait."""
        if not self._waiting[account]:
            others = map(self.cost, self._waiting)
            self._set(account, max(self.cost(account), min(others, default=self.cost(self._last))))
        self._waiting[account] += 1

    def leave(self, account: str) -> None:
        """Note that a request of the account no longer waits: it is served or has given up."""
        self._waiting[account] -= 1
        if not self._waiting[account]:
            del self._waiting[account]
            self._last = account

    def charge(self, account: str, *, prompt_tokens: int = 0, answer_tokens: int = 0) -> None:
        """Charge the account for tokens that were computed for it, or are certain to be."""
        self._set(account, self.cost(account) + PROMPT_WEIGHT * prompt_tokens + ANSWER_WEIGHT * answer_tokens)

    def _set(self, account: str, cost: int) -> None:
        self._costs[account] = cost
        self._costs.move_to_end(account)
        while len(self._costs) > MAX_ACCOUNTS:
            self._costs.popitem(last=False)
