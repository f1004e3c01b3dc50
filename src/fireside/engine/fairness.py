"""Whose turn it is, by the work done for each account: the virtual token counter of "Fairness in Serving Large Language
Models" (Sheng et al., OSDI 2024, arXiv 2401.00588).

Each account has a counter of the tokens that were computed for it, those of answers weighing more than those of
prompts. The one with the least is served next. An account that comes back after a pause is lifted to the least of those
that wait: nobody saves up turns by being away.
"""

from collections import Counter, OrderedDict

PROMPT_WEIGHT = 1
ANSWER_WEIGHT = 2
"""What a token costs, as in the paper: one of an answer takes a step of its own, those of a prompt share one."""

MAX_ACCOUNTS = 4096
"""Accounts that are remembered; who was served longest ago is forgotten first, and then counts as new."""


class VirtualTokenCounter:
    """Pure bookkeeping: the caller says who waits, who is served, and what was computed."""

    def __init__(self) -> None:
        self._costs: OrderedDict[str, int] = OrderedDict()
        self._waiting: Counter[str] = Counter()
        self._last = ""
        """The account that was the last to leave the queue."""

    def cost(self, account: str) -> int:
        """What was computed for the account, in weighted tokens; counted from where it was lifted to."""
        return self._costs.get(account, 0)

    def wait(self, account: str) -> None:
        """A request of the account comes to wait."""
        if not self._waiting[account]:
            others = map(self.cost, self._waiting)
            self._set(account, max(self.cost(account), min(others, default=self.cost(self._last))))
        self._waiting[account] += 1

    def leave(self, account: str) -> None:
        """A request of the account waits no more: it is served, or has given up."""
        self._waiting[account] -= 1
        if not self._waiting[account]:
            del self._waiting[account]
            self._last = account

    def charge(self, account: str, *, prompt_tokens: int = 0, answer_tokens: int = 0) -> None:
        """So many tokens were computed for the account, or are certain to be."""
        self._set(account, self.cost(account) + PROMPT_WEIGHT * prompt_tokens + ANSWER_WEIGHT * answer_tokens)

    def _set(self, account: str, cost: int) -> None:
        self._costs[account] = cost
        self._costs.move_to_end(account)
        while len(self._costs) > MAX_ACCOUNTS:
            self._costs.popitem(last=False)
