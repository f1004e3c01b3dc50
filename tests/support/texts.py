"""Texts that tokenizers find hard, as a hypothesis strategy."""

import re

from hypothesis import strategies as st

HARD_TEXTS = (
    "The capital of France is Paris.",
    "  two spaces, then   three",
    " ",
    "\n\n\tif x:\n        return 12345\n",
    "word  1234   5",
    "naïve café, e\u0301 and a\u0308\u0323\u0301",
    "你好，世界。今日は",
    "안녕하세요",
    "مرحبا بالعالم ‏‎",
    "שלום עולם",
    "👩‍👩‍👧‍👦 👍🏽 🇫🇷 ❤️",
    "ក្រុង ဗမာ ᚠᛇᚻ 𝔘𝔫𝔦",
    "\u0000\u0007\u200b\ufeff\ufffd",
    "▁ underlined ▁▁x",
    "it's we'll I'D",
    "[INST] <<SYS>> [/INST]",
    "<0x0A><0xFF>",
)

_CONTROL_TOKEN = re.compile(r"<(s|/s|unk|\|.*\|)>")

# Hypothesis makes texts of the strings it finds in the code under test: no oracle takes the control tokens' for text.
texts = (
    st.lists(st.one_of(st.sampled_from(HARD_TEXTS), st.text(max_size=12)), max_size=4)
    .map("".join)
    .filter(lambda text: not _CONTROL_TOKEN.search(text))
)
