"""Live servers for these tests."""

from support.server_fixtures import fresh_server, server, shared_server

__all__ = ["fresh_server", "server", "shared_server"]
