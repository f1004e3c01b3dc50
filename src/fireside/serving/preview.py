"""What a model would read for a request, without running it: only its tokenizer is opened, and that once."""

import threading
from collections import OrderedDict
from pathlib import Path
from typing import Any

from fireside.catalog.spec import ModelSpec
from fireside.chat.templates.renderer import TemplateRenderer
from fireside.errors import ContextOverflow
from fireside.prompting import ByteTokenizer, PromptTooLong, Vocabulary, build_prompt, open_tokenizer, prompt_pieces
from fireside.serving.notes import note_of, offer_of
from fireside.serving.types import Preview, TextRequest
from fireside.settings import Settings
from fireside.weights.locate import is_downloaded, locate

KEPT_TOKENIZERS = 2
"""Of models that are not loaded; each takes some tens of MB."""


MAX_CONTEXTS = 4
"""A prompt of so many context windows is shown with its length; of a longer one only that it does not fit is said."""


class Previewer:
    """Safe to call from many threads."""

    def __init__(self, settings: Settings, renderer: TemplateRenderer) -> None:
        self._settings = settings
        self._renderer = renderer
        self._lock = threading.Lock()
        self._opened: OrderedDict[Path, Vocabulary] = OrderedDict()

    def preview(self, request: TextRequest, spec: ModelSpec, loaded: Vocabulary | None) -> Preview:
        """The prompt in pieces, and its length when the model's tokenizer is here. CPU and disk work.

        Args:
            loaded: the tokenizer of a loaded model.

        Raises InvalidInput when there is nothing to say to the model, ContextOverflow for far too much, and what
        `open_tokenizer` and `build_prompt` do.
        """
        tokenizer = loaded or self._tokenizer(spec)
        given: Any = {
            "prompt": request.prompt,
            "messages": request.messages,
            "raw": request.raw,
            "note": note_of(request),
            "offer": offer_of(request),
            "spec": spec.prompt,
            "renderer": self._renderer,
        }
        pieces = prompt_pieces(**given, tokenizer=tokenizer)
        tokens = None
        if tokenizer is not None:
            most = MAX_CONTEXTS * spec.context_length
            try:
                tokens = len(build_prompt(**given, tokenizer=tokenizer, most=most))
            except PromptTooLong as error:
                raise ContextOverflow(error.least, 1, spec.context_length, at_least=True) from None
        return Preview(spec.id, tuple(pieces), tokens)

    def _tokenizer(self, spec: ModelSpec) -> Vocabulary | None:
        if not is_downloaded(self._settings.data_dir, spec):
            return None
        path = locate(self._settings.data_dir, spec)
        if path is None:
            return ByteTokenizer()
        with self._lock:
            if path not in self._opened:
                self._opened[path] = open_tokenizer(path)
            self._opened.move_to_end(path)
            while len(self._opened) > KEPT_TOKENIZERS:
                self._opened.popitem(last=False)
            return self._opened[path]
