"""Files of conversations, as the playground exports them, and bringing one in."""

import json

from support.echo_service import PLAIN
from support.visitor import Playground


def bring(view: Playground, content: object, name: str = "file.json") -> None:
    data = content if isinstance(content, bytes) else json.dumps(content).encode()
    view.page.get_by_label("File to import").set_input_files({"name": name, "mimeType": "text/plain", "buffer": data})


def conversation(**changes: object) -> dict[str, object]:
    made = {
        "title": "", "updated": 1, "mode": "chat", "system": "", "parameters": {}, "turns": [],
        "lanes": [{"model": PLAIN, "lora": ""}],
    }  # fmt: skip
    return made | changes


def turn(text: str, said: str, **changes: object) -> dict[str, object]:
    answer = {
        "text": said, "model": PLAIN, "lora": "", "servedBy": PLAIN, "state": "done", "parameters": {}, "edited": False,
        "error": None, "usage": None, "toolCalls": [], "pieces": 1, "firstMs": 1, "lastMs": 1,
    }  # fmt: skip
    return {"id": f"turn {text}", "text": text, "answers": [answer | changes]}


def wrapped(*conversations: object) -> dict[str, object]:
    return {"format": "fireside-conversations", "version": 1, "conversations": conversations}
