"""What network addresses mean."""

import ipaddress


def is_loopback(host: str) -> bool:
    """Whether a host name or address (no port) means this machine only."""
    name = host.rstrip(".").lower()
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name.strip("[]")).is_loopback
    except ValueError:
        return False
