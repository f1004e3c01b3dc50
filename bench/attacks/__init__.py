"""Attacks on a running server by one account, each small and bounded, and what another account sees meanwhile."""

from bench.attacks.catalogue import ATTACKS
from bench.attacks.target import Attack, Target

__all__ = ["ATTACKS", "Attack", "Target"]
