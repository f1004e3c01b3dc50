"""The list of words that are not written is read from the page that states it, and finds them."""

import pytest
from tools.words import LIST, ROOT, faults, read_list, without_list

PAGE = """# Title

## Words

| instead of | write |
|---|---|
| `MOST_`, `tenant` | something else |

## Next

text
"""


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("MOST_TOOLS = 3", True),
        ("_MOST_TOOLS = 3", True),
        ("AT_MOST_1 = 1", False),
        ("most_tools = 3", False),
        ("A Tenant of the house", True),
        ("tenant_id", True),
        ("lieutenant", False),
        ("tenants", False),
    ],
)
def test_words_are_found_as_whole_words(line: str, found: bool) -> None:
    assert [*faults("a.py", f"\n{line}\n", read_list(PAGE))] == (
        [f"a.py:2: instead of “{'MOST_' if 'MOST_' in line else 'tenant'}” write something else"] if found else []
    )


def test_the_list_itself_is_left_out_and_lines_keep_their_numbers() -> None:
    rest = without_list(PAGE)
    assert "MOST_" not in rest
    assert rest.splitlines().index("text") == PAGE.splitlines().index("text")


def test_a_page_without_a_list_is_an_error() -> None:
    with pytest.raises(ValueError, match="no table"):
        read_list("# Title\n\n| `a` | b |\n")


def test_the_real_list_is_read() -> None:
    words = {word.text for word in read_list((ROOT / LIST).read_text(encoding="utf-8"))}
    assert {"MOST_", "tenant", "rooms", "for ever"} <= words
