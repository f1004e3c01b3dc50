"""Routes of LoRA fine-tunes: `…/ai/finetunes` and below."""

import asyncio
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

from pydantic import Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fireside.api.context import Context
from fireside.api.http.body import read_body
from fireside.api.http.envelope import Envelope, answer
from fireside.api.http.scopes import check_scope
from fireside.api.http.upload import receive_file
from fireside.api.schema.nullable import NullIsUnset
from fireside.api.schema.operation import Doc, Operation
from fireside.api.schema.run_input import problem_lines
from fireside.errors import (
    BadAdapter,
    Busy,
    FineTuneExists,
    FineTuneNotFound,
    FineTuneQuota,
    InvalidInput,
    InvalidModelId,
    LoraUnsupported,
    NotPermitted,
    StoreUnavailable,
    UnknownModel,
)
from fireside.finetunes.checks import FILE_NAMES
from fireside.finetunes.status import status_of
from fireside.store.finetune_records import FineTune

_BASE = "/client/v4/accounts/{account_id}/ai/finetunes"


class CreateInput(NullIsUnset):
    """Request body for creating a fine-tune."""

    model: Annotated[str, Field(max_length=200)]
    name: Annotated[str, Field(max_length=100)]
    description: Annotated[str, Field(max_length=1000)] = ""
    public: bool = False


@dataclass(frozen=True, slots=True)
class Asset:
    """A file of a fine-tune. `in_use` is false until both files are present."""

    file_name: str
    size: int
    sha256: str
    in_use: bool


@dataclass(frozen=True, slots=True)
class FineTuneFacts:
    """A fine-tune. `status` is ready, incomplete or failed."""

    id: str
    account_id: str
    model: str
    name: str
    description: str
    created_at: str
    modified_at: str
    public: bool
    status: str
    status_message: str
    assets: list[Asset]


@dataclass(frozen=True, slots=True)
class Deleted:
    """The deleted fine-tune."""

    id: str
    name: str


@dataclass(frozen=True, slots=True)
class Uploaded:
    """The uploaded file. The official SDKs read `success` here."""

    file_name: str
    finetune_id: str
    status: str
    status_message: str
    success: bool = True


def routes(context: Context) -> list[Route]:
    """Create, list, read, delete, upload."""
    routes = _Routes(context)
    one = f"{_BASE}/{{finetune}}"
    upload = _doc(
        "uploadFineTune",
        "Upload a fine-tune file",
        Uploaded,
        multipart={
            "file_name": {"type": "string", "enum": list(FILE_NAMES)},
            "file": {"type": "string", "format": "binary"},
        },
        raises=[*_WRITING, FineTuneNotFound, FineTuneQuota, Busy, BadAdapter],
        scope="finetunes",
    )
    return [
        Operation(
            "POST",
            _BASE,
            routes.create,
            _doc(
                "createFineTune",
                "Create a fine-tune",
                FineTuneFacts,
                body=CreateInput,
                raises=[*_WRITING, *_MAKING],
                scope="finetunes",
            ),
        ),
        Operation("GET", _BASE, routes.list_own, _doc("listFineTunes", "List fine-tunes", list[FineTuneFacts])),
        Operation(
            "GET",
            f"{_BASE}/public",
            routes.list_public,
            _doc("listPublicFineTunes", "List public fine-tunes", list[FineTuneFacts]),
        ),
        Operation(
            "GET", one, routes.read, _doc("getFineTune", "Get a fine-tune", FineTuneFacts, raises=[FineTuneNotFound])
        ),
        Operation(
            "DELETE",
            one,
            routes.delete,
            _doc(
                "deleteFineTune", "Delete a fine-tune", Deleted, raises=[*_WRITING, FineTuneNotFound], scope="finetunes"
            ),
        ),
        Operation("POST", f"{one}/finetune-assets", routes.upload, upload),
        # Both methods: a file that is uploaded again replaces the one before.
        Operation("PUT", f"{one}/finetune-assets", routes.upload, replace(upload, id="replaceFineTuneFile")),
    ]


_WRITING = (NotPermitted, StoreUnavailable)
_MAKING = (UnknownModel, InvalidModelId, LoraUnsupported, FineTuneExists, FineTuneQuota)


def _doc(name: str, summary: str, result: Any, **more: Any) -> Doc:
    return Doc(id=name, tag="Fine-tunes", summary=summary, result=Envelope[result], **more)


def _parse_create(body: dict[str, Any]) -> CreateInput:
    """Raises InvalidInput."""
    try:
        return CreateInput.model_validate(body)
    except ValidationError as error:
        raise InvalidInput(problem_lines(error)) from None


class _Routes:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._finetunes = context.finetunes

    async def create(self, request: Request) -> Response:
        account = request.path_params["account_id"]
        body = await read_body(request.scope, request.receive, self._context.settings)
        wanted = await body.parse(_parse_create)
        if wanted.public:
            check_scope(request.state.grant, "admin")
        made = await asyncio.to_thread(
            self._finetunes.create,
            account,
            # Not what stands in for it: adapters are made for one model.
            model=self._context.exact_model(wanted.model),
            name=wanted.name,
            description=wanted.description,
            public=wanted.public,
        )
        return answer(describe(made))

    async def list_own(self, request: Request) -> Response:
        found = await asyncio.to_thread(self._finetunes.of_account, request.path_params["account_id"])
        return answer([describe(finetune) for finetune in found])

    async def list_public(self, _request: Request) -> Response:
        found = await asyncio.to_thread(self._finetunes.public)
        return answer([describe(finetune) for finetune in found])

    async def read(self, request: Request) -> Response:
        account, reference = request.path_params["account_id"], request.path_params["finetune"]
        return answer(describe(await asyncio.to_thread(self._finetunes.get, account, reference)))

    async def delete(self, request: Request) -> Response:
        account = request.path_params["account_id"]
        gone = await asyncio.to_thread(self._finetunes.delete, account, request.path_params["finetune"])
        return answer(Deleted(gone.id, gone.name))

    async def upload(self, request: Request) -> Response:
        account, reference = request.path_params["account_id"], request.path_params["finetune"]
        settings = self._context.settings
        declared = request.headers.get("content-length", "")
        size = int(declared) if declared.isdecimal() else 0
        # Before the body: nobody sends 300 MB to learn that the name was wrong.
        await asyncio.to_thread(self._finetunes.check_upload, account, reference, size)
        path = (await asyncio.to_thread(self._finetunes.upload_folder)) / uuid4().hex
        with self._finetunes.uploading(account):
            try:
                fields = await receive_file(
                    request.headers,
                    request.receive,
                    path,
                    max_bytes=settings.finetune_max_mb * 1_000_000,
                    idle_timeout=settings.body_timeout,
                    timeout=settings.request_timeout,
                )
                if "file_name" not in fields:
                    raise InvalidInput(["file_name: the form needs a part of this name"])
                kept = await asyncio.to_thread(self._take, account, reference, fields["file_name"], path)
            finally:
                path.unlink(missing_ok=True)
        status = status_of(kept)
        return answer(Uploaded(fields["file_name"], kept.id, status.state, status.message))

    def _take(self, account: str, reference: str, name: str, path: Path) -> FineTune:
        try:
            return self._finetunes.upload(account, reference, name, path)
        finally:
            self._finetunes.sweep()


def describe(finetune: FineTune) -> FineTuneFacts:
    """One fine-tune as clients see it."""
    status = status_of(finetune)
    return FineTuneFacts(
        id=finetune.id,
        account_id=finetune.account_id,
        model=finetune.model,
        name=finetune.name,
        description=finetune.description,
        created_at=f"{finetune.created_at:%Y-%m-%dT%H:%M:%SZ}",
        modified_at=f"{finetune.modified_at:%Y-%m-%dT%H:%M:%SZ}",
        public=finetune.public,
        status=status.state,
        status_message=status.message,
        assets=[
            Asset(file.name, file.size, file.sha256, file.version is not None)
            for file in (*finetune.files, *finetune.waiting)
        ],
    )
