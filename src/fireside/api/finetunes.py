"""LoRA fine-tunes: `…/ai/finetunes` and what is under it."""

import asyncio
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fireside.api.auth import check_may_write
from fireside.api.body import parse_object, read_body
from fireside.api.context import Context
from fireside.api.envelope import answer
from fireside.api.inputs import problem_lines
from fireside.api.models import exact_model
from fireside.api.upload import receive_file
from fireside.errors import InvalidInput
from fireside.finetunes.status import status_of
from fireside.store.finetunes import FineTune

_BASE = "/client/v4/accounts/{account_id}/ai/finetunes"


class CreateInput(BaseModel):
    """Body of a creation."""

    model_config = ConfigDict(extra="ignore", frozen=True, strict=True)

    model: Annotated[str, Field(max_length=200)]
    name: Annotated[str, Field(max_length=100)]
    description: Annotated[str, Field(max_length=1000)] = ""
    public: bool = False


def routes(context: Context) -> list[Route]:
    """Create, list, read, delete, upload."""
    routes = _Routes(context)
    return [
        Route(_BASE, routes.create, methods=["POST"]),
        Route(_BASE, routes.list_own),
        Route(f"{_BASE}/public", routes.list_public),
        Route(f"{_BASE}/{{finetune}}", routes.read),
        Route(f"{_BASE}/{{finetune}}", routes.delete, methods=["DELETE"]),
        # Both methods: a file that is uploaded again replaces the one before.
        Route(f"{_BASE}/{{finetune}}/finetune-assets", routes.upload, methods=["POST", "PUT"]),
    ]


class _Routes:
    def __init__(self, context: Context) -> None:
        self._context = context
        self._finetunes = context.finetunes

    async def create(self, request: Request) -> Response:
        account = _writer(request)
        settings = self._context.settings
        body = await read_body(
            request.headers, request.receive, max_bytes=settings.max_body_bytes, timeout=settings.body_timeout
        )
        given = {name: value for name, value in parse_object(body).items() if value is not None}
        try:
            wanted = CreateInput.model_validate(given)
        except ValidationError as error:
            raise InvalidInput(problem_lines(error)) from None
        made = await asyncio.to_thread(
            self._finetunes.create,
            account,
            # Not what stands in for it: adapters are made for one model.
            model=exact_model(self._context.service, wanted.model),
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
        account = _writer(request)
        gone = await asyncio.to_thread(self._finetunes.delete, account, request.path_params["finetune"])
        return answer({"id": gone.id, "name": gone.name})

    async def upload(self, request: Request) -> Response:
        account, reference = _writer(request), request.path_params["finetune"]
        settings = self._context.settings
        # Before the body: nobody sends 300 MB to learn that the name was wrong.
        await asyncio.to_thread(self._finetunes.get, account, reference)
        path = (await asyncio.to_thread(self._finetunes.upload_folder)) / uuid4().hex
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
        uploaded = {
            "file_name": fields["file_name"],
            "finetune_id": kept.id,
            "success": True,  # where the official SDKs look for it
            "status": status_of(kept).state,
            "status_message": status_of(kept).message,
        }
        return answer(uploaded)

    def _take(self, account: str, reference: str, name: str, path: Path) -> FineTune:
        kept = self._finetunes.upload(account, reference, name, path)
        self._finetunes.sweep()
        return kept


def describe(finetune: FineTune) -> dict[str, Any]:
    """One fine-tune as clients see it."""
    status = status_of(finetune)
    return {
        "id": finetune.id,
        "account_id": finetune.account_id,
        "model": finetune.model,
        "name": finetune.name,
        "description": finetune.description,
        "created_at": f"{finetune.created_at:%Y-%m-%dT%H:%M:%SZ}",
        "modified_at": f"{finetune.modified_at:%Y-%m-%dT%H:%M:%SZ}",
        "public": finetune.public,
        "status": status.state,
        "status_message": status.message,
        "assets": [
            {"file_name": file.name, "size": file.size, "sha256": file.sha256, "in_use": file.version is not None}
            for file in (*finetune.files, *finetune.waiting)
        ],
    }


def _writer(request: Request) -> str:
    """The account, if the request may change it. Raises NotPermitted for a read-only token."""
    check_may_write(request.state.grant)
    return str(request.path_params["account_id"])
