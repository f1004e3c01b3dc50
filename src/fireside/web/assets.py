"""The files of the web pages, read once: bytes, type, tag and compressed form of each.

There is no build step: what lies in `static/` is what browsers get. Three things are filled in when the files are read.
In pages, `{{head}}` is what all of them begin with (`head.part`). `{{static}}` is the path of all other files, which
has a digest of them all in it, so that browsers may keep them forever. `{{preload}}` names the modules that a page's
own one imports, so that they are fetched at once rather than one after the other.
"""

import functools
import gzip
import hashlib
import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable

STATIC_PATH = "/static"

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".part": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".txt": "text/plain; charset=utf-8",
    ".woff2": "font/woff2",
}
_IMPORT = re.compile(rb'^(?:import|export|\})[^"\n]*"(\.[^"]+)";$', re.MULTILINE)
_ENTRY = re.compile(rb'<script type="module" src="\{\{static\}\}/([^"]+)">')


@dataclass(frozen=True, slots=True)
class Asset:
    """One file as it is sent.

    Args:
        media_type: content type, with its charset.
        tag: a weak entity tag (compressed or not, it is the same).
        gzipped: the same bytes compressed.
    """

    body: bytes
    media_type: str
    tag: str
    gzipped: bytes


class Assets:
    """All files, by name ("js/dom.js"), and the pages ("playground.html").

    Args:
        contents: what the folder `static` has, by name.
    """

    def __init__(self, contents: Mapping[str, bytes]) -> None:
        digest = hashlib.sha256()
        for name, content in sorted(contents.items()):
            digest.update(f"{name}\0{len(content)}\0".encode() + content)
        self.version = digest.hexdigest()[:16]
        self._head = contents.get("head.part", b"")
        self._files = {
            name: _asset(name, body) for name, body in contents.items() if not name.endswith((".html", ".part"))
        }
        self._pages = {
            name: _asset(name, self._filled_in(body)) for name, body in contents.items() if name.endswith(".html")
        }

    def file(self, name: str) -> Asset | None:
        """The file of this very name, or None: names are looked up, never made into paths."""
        return self._files.get(name)

    def page(self, name: str) -> Asset:
        """A page of `static/`."""
        return self._pages[name]

    def modules(self, entry: str) -> list[str]:
        """The module and all that it imports, directly or not; what it loads later, when needed, is not among them."""
        found = [entry]
        for name in found:
            folder = posixpath.dirname(name)
            for path in _IMPORT.findall(self._files[name].body):
                imported = posixpath.normpath(posixpath.join(folder, path.decode()))
                if imported not in found:
                    found.append(imported)
        return found

    def _filled_in(self, page: bytes) -> bytes:
        names = [name for entry in _ENTRY.findall(page) for name in self.modules(entry.decode())]
        links = [f'<link rel="modulepreload" href="{{{{static}}}}/{name}">' for name in names]
        page = page.replace(b"{{head}}\n", self._head)
        page = page.replace(b"{{preload}}", "\n".join(links).encode())
        return page.replace(b"{{static}}", f"{STATIC_PATH}/{self.version}".encode())


@functools.cache
def load_assets() -> Assets:
    """The files of this installation."""
    return Assets(dict(_contents(files("fireside.web") / "static")))


def _contents(folder: Traversable, prefix: str = "") -> Iterator[tuple[str, bytes]]:
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _contents(entry, f"{prefix}{entry.name}/")
        elif posixpath.splitext(entry.name)[1] in _TYPES:
            yield prefix + entry.name, entry.read_bytes()


def _asset(name: str, body: bytes) -> Asset:
    media_type = _TYPES[posixpath.splitext(name)[1]]
    return Asset(body, media_type, f'W/"{hashlib.sha256(body).hexdigest()[:24]}"', gzip.compress(body, 9, mtime=0))
