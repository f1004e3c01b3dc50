"""The web pages: static files, and what a server needs to know of them."""
