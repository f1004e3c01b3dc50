"""Fine-tunes over real HTTP: uploads sound and hostile, what each account sees, and which files a request gets."""

import json
import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np
import pytest

from fireside.store.tokens import SCOPES
from fireside.weights.adapter import read_adapter
from support.adapters import CONFIG, WEIGHTS, adapter_config, adapter_tensors, make_adapter
from support.echo_service import AWQ, LORA, PLAIN, EchoService
from support.live_server import LiveServer, check_error, live_server, read_all, wait_until

ACCOUNT = "/client/v4/accounts/{}/ai/finetunes"
BASE = ACCOUNT.format("acc")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[LiveServer]:
    with live_server(tmp_path / "data") as running:
        yield running


@pytest.fixture
def adapter(tmp_path: Path) -> Path:
    return make_adapter(tmp_path / "adapter")


def create(server: LiveServer, name: str = "mine", base: str = BASE, **fields: object) -> str:
    response = server.client.post(base, json={"model": LORA, "name": name, "description": "", **fields})
    assert response.status_code == 200, response.text
    return str(response.json()["result"]["id"])


def upload(
    server: LiveServer, reference: str, name: str, content: bytes, base: str = BASE, file_name: str = "any.bin"
) -> httpx.Response:
    return server.client.post(
        f"{base}/{reference}/finetune-assets", data={"file_name": name}, files={"file": (file_name, content)}
    )


def upload_all(server: LiveServer, reference: str, folder: Path, base: str = BASE) -> None:
    for name in (CONFIG, WEIGHTS):
        response = upload(server, reference, name, (folder / name).read_bytes(), base)
        assert response.status_code == 200, response.text


def read(server: LiveServer, reference: str, base: str = BASE) -> dict[str, object]:
    response = server.client.get(f"{base}/{reference}")
    assert response.status_code == 200, response.text
    return dict(response.json()["result"])


def run(server: LiveServer, lora: str, account: str = "acc", model: str = LORA) -> httpx.Response:
    return server.client.post(server.run_path(model, account), json={"prompt": "hi", "lora": lora})


def used_folder(server: LiveServer) -> Path:
    [*_, request] = server.service.requests
    assert request.adapter is not None
    return Path(request.adapter.folder)


def left_behind(server: LiveServer, folder: Path) -> list[Path]:
    return [path for path in (folder / "data" / "uploads").rglob("*") if path.is_file()]


def test_create_upload_use_delete(server: LiveServer, adapter: Path) -> None:
    made = server.client.post(f"{BASE}/", json={"model": LORA, "name": "mine", "description": ""}).json()["result"]
    assert {"id", "model", "name", "description", "created_at", "modified_at", "public"} <= set(made)
    assert (made["model"], made["name"], made["public"], made["status"]) == (LORA, "mine", False, "incomplete")
    assert f"{CONFIG} and {WEIGHTS} are missing" in made["status_message"]
    assert f"{CONFIG} and {WEIGHTS} are missing" in check_error(run(server, "mine"), 400, 3039)

    first = upload(server, made["id"], CONFIG, (adapter / CONFIG).read_bytes()).json()["result"]
    assert (first["file_name"], first["status"]) == (CONFIG, "incomplete")
    assert f"{WEIGHTS} is missing" in check_error(run(server, "mine"), 400, 3039)
    second = upload(server, "mine", WEIGHTS, (adapter / WEIGHTS).read_bytes()).json()["result"]
    assert second["status"] == "ready"

    for reference in (made["id"], "mine"):
        assert run(server, reference).status_code == 200
        folder = used_folder(server)
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == {
            name: (adapter / name).read_bytes() for name in (CONFIG, WEIGHTS)
        }
    assert len(read_adapter(folder).modules) == 4
    [listed] = server.client.get(f"{BASE}/").json()["result"]
    assert listed == read(server, "mine") == read(server, f"{made['id']}/")
    assert [asset["in_use"] for asset in listed["assets"]] == [True, True]

    assert server.client.delete(f"{BASE}/mine").json()["result"] == {"id": made["id"], "name": "mine"}
    assert server.client.get(BASE).json()["result"] == []
    for response in (run(server, "mine"), server.client.get(f"{BASE}/mine"), server.client.delete(f"{BASE}/mine")):
        check_error(response, 404, 3037)
    assert not folder.exists(), "no request was reading it"


def test_wrong_model_for_lora(server: LiveServer) -> None:
    for model in (AWQ, PLAIN):
        check_error(server.client.post(BASE, json={"model": model, "name": "x"}), 405, 5005)
        check_error(run(server, "x", model=model), 405, 5005)
    check_error(server.client.post(BASE, json={"model": "@hf/a/b", "name": "x"}), 400, 5007)
    check_error(server.client.post(BASE, json={"model": "mistral", "name": "x"}), 404, 3042)


def test_a_fine_tune_of_another_model_says_so(tmp_path: Path, adapter: Path) -> None:
    with live_server(tmp_path / "data") as server:
        create(server)
        upload_all(server, "mine", adapter)
        server.service.specs = [spec.model_copy(update={"lora": True}) for spec in server.service.specs]
        message = check_error(run(server, "mine", model=PLAIN), 400, 5111)
        assert LORA in message
        assert PLAIN in message


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": ""}, "name:"),
        ({"name": "a/b"}, "name:"),
        ({"name": "a\\b"}, "name:"),
        ({"name": ".."}, "name:"),
        ({"name": "public"}, "name:"),
        ({"name": " x"}, "name:"),
        ({"name": "a\nb"}, "name:"),
        ({"name": "a\0b"}, "name:"),
        ({"name": "\u202egpj"}, "name:"),
        ({"name": "x" * 101}, "name:"),
        ({"name": 5}, "name:"),
        ({"name": None}, "name:"),
        ({"model": None}, "model:"),
        ({"public": "maybe"}, "public:"),
        ({"description": "x" * 1001}, "description:"),
    ],
)
def test_creation_checks_its_fields(server: LiveServer, fields: dict[str, object], problem: str) -> None:
    response = server.client.post(BASE, json={"model": LORA, "name": "x", **fields})
    assert check_error(response, 400, 5006).startswith(problem)
    assert server.client.get(BASE).json()["result"] == []


def test_odd_names_work_everywhere(server: LiveServer, adapter: Path) -> None:
    for name in ("Ünïcödé 名前", "50% off?#", "a.b", "%2e%2e"):
        create(server, name)
        quoted = "".join(f"%{byte:02X}" for byte in name.encode())
        upload_all(server, quoted, adapter)
        assert read(server, quoted)["name"] == name
        assert run(server, name).status_code == 200


def test_the_same_name_twice(server: LiveServer) -> None:
    create(server)
    message = check_error(server.client.post(BASE, json={"model": LORA, "name": "mine"}), 400, 5110)
    assert "'mine' already" in message
    create(server, base=ACCOUNT.format("other"))


def test_the_number_of_fine_tunes_is_bounded(tmp_path: Path) -> None:
    with live_server(tmp_path, finetunes_per_account=2) as server:
        create(server, "a")
        create(server, "b")
        assert " 2 " in check_error(server.client.post(BASE, json={"model": LORA, "name": "c"}), 400, 5113)
        server.client.delete(f"{BASE}/a")
        create(server, "c")


def test_accounts_see_their_own_and_what_is_public(server: LiveServer, adapter: Path) -> None:
    other = ACCOUNT.format("other")
    private, shared = create(server, "private"), create(server, "shared", public=True)
    for reference in (private, shared):
        upload_all(server, reference, adapter)
    assert server.client.get(other).json()["result"] == []
    for reference in (private, "private"):
        check_error(server.client.get(f"{other}/{reference}"), 404, 3037)
        check_error(server.client.delete(f"{other}/{reference}"), 404, 3037)
        check_error(upload(server, reference, CONFIG, b"{}", other), 404, 3037)
        check_error(run(server, reference, "other"), 404, 3037)
    [listed] = server.client.get(f"{other}/public/").json()["result"]
    assert (listed["id"], listed["public"]) == (shared, True)
    assert read(server, shared, other)["id"] == shared
    check_error(server.client.delete(f"{other}/{shared}"), 403, 10000)
    check_error(upload(server, shared, CONFIG, b"{}", other), 403, 10000)
    for reference in (shared, "acc/shared"):
        assert run(server, reference, "other").status_code == 200
    # Its name alone is nobody's but the account's own: another's must never answer for it.
    for reference in ("shared", "acc/private", "other/shared", "/shared", "acc/", "acc/shared/"):
        check_error(run(server, reference, "other"), 404, 3037)
    own = create(server, "shared", other)
    assert read(server, "shared", other)["id"] == own
    assert read(server, shared, other)["id"] == shared


def test_only_an_admin_publishes(server: LiveServer) -> None:
    body = {"model": LORA, "name": "x", "public": True}
    for scopes, status in ((("run", "finetunes"), 403), (("finetunes", "admin"), 200)):
        token, _ = server.store.create_token("acc", "t", scopes)
        headers = {"authorization": f"Bearer {token}"}
        assert server.client.post(BASE, json=body, headers=headers).status_code == status


def test_a_token_for_running_changes_nothing(server: LiveServer, adapter: Path) -> None:
    made = create(server)
    for scopes in (SCOPES, ("run",)):
        token, _ = server.store.create_token("acc", "t", scopes)
        server.client.headers["authorization"] = f"Bearer {token}"
        if scopes == SCOPES:
            upload_all(server, made, adapter)
    check_error(server.client.post(BASE, json={"model": LORA, "name": "x"}), 403, 10000)
    check_error(upload(server, made, CONFIG, b"{}"), 403, 10000)
    check_error(server.client.delete(f"{BASE}/mine"), 403, 10000)
    assert run(server, "mine").status_code == 200
    check_error(server.client.get(ACCOUNT.format("other")), 403, 10000)


@pytest.mark.parametrize(
    "name",
    [
        "adapter_model.bin", "adapter_model.pt", "adapter.zip", "../adapter_config.json", "/adapter_config.json",
        "C:\\adapter_config.json", "adapter_config.json\0", "Adapter_config.json", "adapter_config.json ",
        "аdapter_config.json", "adapter_config․json", "adapter_config.json/.", "adapter_model.safetensors.tmp", "",
    ],
)  # fmt: skip
def test_only_two_file_names(server: LiveServer, tmp_path: Path, name: str) -> None:
    create(server)
    before = {path for path in tmp_path.rglob("*") if "store.db" not in path.name}
    assert "file_name" in check_error(upload(server, "mine", name, b"{}"), 400, 5006)
    after = {path for path in tmp_path.rglob("*") if "store.db" not in path.name}
    assert {path for path in after - before if path.is_file()} == set()


@pytest.mark.parametrize("name", ["../../evil", "/etc/passwd", "C:\\x", "\0", "a" * 3000])
def test_the_files_own_name_does_not_matter(server: LiveServer, adapter: Path, name: str) -> None:
    create(server)
    content = (adapter / CONFIG).read_bytes()
    assert upload(server, "mine", CONFIG, content, file_name=name).status_code == 200


BAD_UPLOADS = [
    (CONFIG, json.dumps(adapter_config(r=33)).encode(), "r is 33"),
    (CONFIG, json.dumps(adapter_config(r=0)).encode(), "r is 0"),
    (CONFIG, json.dumps(adapter_config(rank_pattern={"q_proj": 64})).encode(), "rank_pattern.q_proj is 64"),
    (CONFIG, json.dumps(adapter_config(use_dora=True)).encode(), "DoRA"),
    (CONFIG, json.dumps(adapter_config(bias="all")).encode(), "trained biases"),
    (CONFIG, json.dumps(adapter_config(auto_map={"a": "b"})).encode(), "brings no code"),
    (CONFIG, b"PK\x03\x04", "cannot be read as JSON"),
    (CONFIG, b"", "cannot be read as JSON"),
    (CONFIG, json.dumps(adapter_config() | {"peft_type": "x" * 200_000}).encode(), "characters left out"),
    (WEIGHTS, json.dumps(adapter_config()).encode(), "swapped"),
    (WEIGHTS, b"PK\x03\x04" + bytes(100), "can run code"),
    (WEIGHTS, b"\x80\x04\x95", "can run code"),
    (WEIGHTS, b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
    (WEIGHTS, b"", "not a sound safetensors file"),
    (WEIGHTS, b"\xff" * 64, "not a sound safetensors file"),
]


@pytest.mark.parametrize(("name", "content", "reason"), BAD_UPLOADS)
def test_bad_files_are_refused_and_the_status_says_why(
    server: LiveServer, tmp_path: Path, name: str, content: bytes, reason: str
) -> None:
    create(server)
    message = check_error(upload(server, "mine", name, content), 400, 5112)
    assert message.startswith(f"{name}: ")
    assert reason in message
    assert len(message) < 2100
    assert str(tmp_path) not in message
    status = read(server, "mine")
    assert status["status"] == "failed"
    assert message in str(status["status_message"])
    assert f"{WEIGHTS if name == CONFIG else CONFIG}" in str(status["status_message"])
    assert message[:500] in check_error(run(server, "mine"), 400, 3039)
    assert left_behind(server, tmp_path) == []


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_values_that_are_no_numbers(server: LiveServer, tmp_path: Path, value: float, dtype: type) -> None:
    tensors = adapter_tensors(dtype=dtype)
    [*_, last] = tensors
    tensors[last][-1, -1] = value
    folder = make_adapter(tmp_path / "nan", tensors=tensors)
    create(server)
    message = check_error(upload(server, "mine", WEIGHTS, (folder / WEIGHTS).read_bytes()), 400, 5112)
    assert last in message


@pytest.mark.parametrize("rank", [8, 32])
def test_ranks_within_the_limit(server: LiveServer, tmp_path: Path, rank: int) -> None:
    create(server)
    upload_all(server, "mine", make_adapter(tmp_path / "a", adapter_config(r=rank), adapter_tensors(rank=rank)))
    assert read(server, "mine")["status"] == "ready"


def test_the_rank_limit_can_be_raised(tmp_path: Path) -> None:
    with live_server(tmp_path / "data", finetune_max_rank=64) as server:
        create(server)
        upload_all(server, "mine", make_adapter(tmp_path / "a", adapter_config(r=33), adapter_tensors(rank=33)))
        assert run(server, "mine").status_code == 200


def test_two_sound_files_that_do_not_belong_together(server: LiveServer, tmp_path: Path, adapter: Path) -> None:
    create(server)
    eight = make_adapter(tmp_path / "eight", adapter_config(r=8), adapter_tensors(rank=8))
    assert upload(server, "mine", CONFIG, (adapter / CONFIG).read_bytes()).status_code == 200
    message = check_error(upload(server, "mine", WEIGHTS, (eight / WEIGHTS).read_bytes()), 400, 5112)
    assert "so rank 8; adapter_config.json says 4" in message
    assert message.endswith("Upload both files again.")
    status = read(server, "mine")
    assert (status["status"], status["assets"]) == ("failed", [])
    assert "so rank 8; adapter_config.json says 4" in str(status["status_message"])
    upload_all(server, "mine", eight)
    assert read(server, "mine")["status"] == "ready"


def test_the_other_files_problem_is_not_forgotten(server: LiveServer, adapter: Path) -> None:
    create(server)
    upload(server, "mine", WEIGHTS, b"\xff" * 64)
    upload(server, "mine", CONFIG, (adapter / CONFIG).read_bytes())
    assert "not a sound safetensors file" in str(read(server, "mine")["status_message"])
    upload(server, "mine", WEIGHTS, (adapter / WEIGHTS).read_bytes())
    assert read(server, "mine")["status"] == "ready"


def test_model_type_must_fit_when_it_is_given(tmp_path: Path) -> None:
    with live_server(tmp_path / "data") as server:
        for spec in server.service.specs:
            object.__setattr__(spec, "architecture", spec.architecture.model_copy(update={"model_type": "mistral"}))
        create(server)
        for kind, status in (("mistral", 200), (None, 200), ("llama", 400), ("gemma", 400)):
            response = upload(server, "mine", CONFIG, json.dumps(adapter_config(model_type=kind)).encode())
            assert response.status_code == status


def test_replacing_leaves_no_gap(server: LiveServer, tmp_path: Path, adapter: Path) -> None:
    create(server)
    upload_all(server, "mine", adapter)
    assert run(server, "mine").status_code == 200
    [before] = server.service.requests
    new = make_adapter(tmp_path / "new", adapter_config(lora_alpha=32), adapter_tensors(seed=1))
    for name in (WEIGHTS, CONFIG):
        assert run(server, "mine").status_code == 200
        assert server.service.requests[-1].adapter == before.adapter
        assert upload(server, "mine", name, (new / name).read_bytes()).status_code == 200
        if name == WEIGHTS:
            assert "A new adapter_model.safetensors waits" in str(read(server, "mine")["status_message"])
    assert run(server, "mine").status_code == 200
    after = server.service.requests[-1].adapter
    assert after is not None
    assert before.adapter is not None
    assert after.id != before.adapter.id
    assert (Path(after.folder) / WEIGHTS).read_bytes() == (new / WEIGHTS).read_bytes()
    assert not Path(before.adapter.folder).exists(), "no request was reading it"


def test_a_bad_replacement_leaves_the_version_before(server: LiveServer, adapter: Path) -> None:
    create(server)
    upload_all(server, "mine", adapter)
    check_error(upload(server, "mine", WEIGHTS, b"\xff" * 64), 400, 5112)
    status = read(server, "mine")
    assert status["status"] == "ready"
    assert "could not be used" in str(status["status_message"])
    assert run(server, "mine").status_code == 200


def test_an_upload_that_is_repeated_changes_nothing(server: LiveServer, adapter: Path) -> None:
    create(server)
    upload_all(server, "mine", adapter)
    before = {key: value for key, value in read(server, "mine").items() if key != "modified_at"}
    run(server, "mine")
    for _ in range(2):
        upload_all(server, "mine", adapter)
    run(server, "mine")
    assert {key: value for key, value in read(server, "mine").items() if key != "modified_at"} == before
    assert len({request.adapter.id for request in server.service.requests if request.adapter}) == 1


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_what_is_gone_goes_with_its_last_reader(tmp_path: Path, adapter: Path, replaced: bool) -> None:
    blobs = tmp_path / "data" / "finetunes"
    with live_server(tmp_path / "data", EchoService(delay=0.05)) as server:
        create(server)
        upload_all(server, "mine", adapter)
        body = {"prompt": "word " * 200, "lora": "mine", "stream": True}
        streams = [server.client.stream("POST", server.run_path(LORA), json=body) for _ in range(2)]
        for number, stream in enumerate(streams):
            with stream as response:
                lines = response.iter_lines()
                next(lines)
                folder = used_folder(server)
                if number == 0:
                    continue
                if replaced:
                    new = make_adapter(tmp_path / "new", adapter_config(lora_alpha=32), adapter_tensors(seed=1))
                    upload_all(server, "mine", new)
                else:
                    server.client.delete(f"{BASE}/mine")
                assert (folder / WEIGHTS).read_bytes() == (adapter / WEIGHTS).read_bytes()
                assert len(list(blobs.iterdir())) == (2 if replaced else 0)
        wait_until(lambda: not folder.exists())


def test_the_same_bytes_are_kept_once(server: LiveServer, tmp_path: Path, adapter: Path) -> None:
    blobs = tmp_path / "data" / "finetunes"
    create(server)
    for _ in range(30):
        assert upload(server, "mine", WEIGHTS, (adapter / WEIGHTS).read_bytes()).status_code == 200
    assert len(list(blobs.iterdir())) == 1
    upload_all(server, "mine", adapter)
    create(server, "twin")
    upload_all(server, "twin", adapter)
    assert len(list(blobs.iterdir())) == 2
    other = ACCOUNT.format("other")
    create(server, "mine", other)
    upload_all(server, "mine", adapter, other)
    assert len(list(blobs.iterdir())) == 4, "another account's stay apart"
    server.client.delete(f"{BASE}/mine")
    assert len(list(blobs.iterdir())) == 4
    assert run(server, "twin").status_code == 200
    server.client.delete(f"{BASE}/twin")
    assert len(list(blobs.iterdir())) == 2
    server.client.delete(f"{other}/mine")
    assert list(blobs.iterdir()) == []


def test_an_accounts_bytes_are_bounded(tmp_path: Path) -> None:
    """However they are spread, and whether or not they make an adapter; what is deleted counts no more."""
    content = {CONFIG: json.dumps(adapter_config()).encode()}
    with live_server(tmp_path / "data", finetune_account_mb=1) as server:
        for number in range(3):
            create(server, str(number))
            tensors = adapter_tensors(seed=number, layers=60)
            content[WEIGHTS] = (make_adapter(tmp_path / str(number), tensors=tensors) / WEIGHTS).read_bytes()
            assert 400_000 < len(content[WEIGHTS]) < 500_000
            response = upload(server, str(number), WEIGHTS, content[WEIGHTS])
            if number < 2:
                assert response.status_code == 200, response.text
                continue
            assert "1,000,000" in check_error(response, 400, 5113)
            head = f"POST {BASE}/2/finetune-assets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
            head += "Content-Length: 700000\r\n\r\n"
            assert b" 400 " in server.exchange(head.encode()).partition(b"\r\n")[0], "before a byte of it is read"
        create(server, "x", ACCOUNT.format("other"))
        assert upload(server, "x", WEIGHTS, content[WEIGHTS], ACCOUNT.format("other")).status_code == 200
        server.client.delete(f"{BASE}/0")
        assert upload(server, "2", WEIGHTS, content[WEIGHTS]).status_code == 200
        assert left_behind(server, tmp_path) == []


def test_an_accounts_uploads_at_the_same_time_are_bounded(tmp_path: Path, adapter: Path) -> None:
    other = ACCOUNT.format("other")
    with live_server(tmp_path / "data", finetune_uploads=2) as server, ExitStack() as stack:
        create(server)
        create(server, "theirs", other)
        head = f"POST {BASE}/mine/finetune-assets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n"
        head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n--b\r\n"
        stack.enter_context(server.connect()).sendall(head.encode())
        wait_until(lambda: len(left_behind(server, tmp_path)) == 1)
        stack.enter_context(server.connect()).sendall(head.encode())
        wait_until(lambda: len(left_behind(server, tmp_path)) == 2)
        assert "2 uploads" in check_error(upload(server, "mine", CONFIG, b"{}"), 429, 3040)
        assert upload(server, "theirs", CONFIG, (adapter / CONFIG).read_bytes(), other).status_code == 200
        stack.close()
        wait_until(lambda: left_behind(server, tmp_path) == [])
        assert upload(server, "mine", CONFIG, (adapter / CONFIG).read_bytes()).status_code == 200


def test_uploads_that_race(tmp_path: Path) -> None:
    with live_server(tmp_path / "data", finetune_uploads=12) as server:
        _race_uploads(server, tmp_path)


def _race_uploads(server: LiveServer, tmp_path: Path) -> None:
    create(server)
    folders = [make_adapter(tmp_path / str(seed), tensors=adapter_tensors(seed=seed)) for seed in range(6)]
    contents = {(folder / WEIGHTS).read_bytes() for folder in folders}
    failed: list[str] = []

    def upload_one(folder: Path, name: str) -> None:
        response = upload(server, "mine", name, (folder / name).read_bytes())
        if response.status_code != 200:
            failed.append(response.text)

    threads = [
        threading.Thread(target=upload_one, args=(folder, name)) for folder in folders for name in (CONFIG, WEIGHTS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    assert run(server, "mine").status_code == 200
    assert (used_folder(server) / WEIGHTS).read_bytes() in contents
    assert len(read_adapter(used_folder(server)).modules) == 4


def test_creations_that_race(server: LiveServer) -> None:
    statuses: list[int] = []

    def create_one() -> None:
        statuses.append(server.client.post(BASE, json={"model": LORA, "name": "mine"}).status_code)

    threads = [threading.Thread(target=create_one) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [200] + [400] * 7


def test_deleted_while_it_is_uploaded(server: LiveServer, adapter: Path) -> None:
    created = create(server)
    content = (adapter / CONFIG).read_bytes()
    body = b'--b\r\ncontent-disposition: form-data; name="file_name"\r\n\r\n' + CONFIG.encode()
    body += b'\r\n--b\r\ncontent-disposition: form-data; name="file"\r\n\r\n' + content + b"\r\n--b--\r\n"
    head = f"POST {BASE}/{created}/finetune-assets HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
    head += f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n"
    with server.connect() as sock:
        sock.sendall(head.encode() + body[:100])
        assert server.client.delete(f"{BASE}/{created}").status_code == 200
        sock.sendall(body[100:])
        assert b"404" in read_all(sock).partition(b"\r\n")[0]


def test_too_large(tmp_path: Path) -> None:
    with live_server(tmp_path / "data", finetune_max_mb=1) as server:
        create(server)
        exact = bytes(1_000_000)
        check_error(upload(server, "mine", WEIGHTS, exact), 400, 5112)
        assert "1,000,000" in check_error(upload(server, "mine", WEIGHTS, exact + b"x"), 413, 3006)
        head = f"POST {BASE}/mine/finetune-assets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 501000000\r\n"
        head += "Content-Type: multipart/form-data; boundary=b\r\n\r\n"
        assert b" 413 " in server.exchange(head.encode()).partition(b"\r\n")[0]
        assert left_behind(server, tmp_path) == []


FORM = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("content_type", "body", "status", "code", "reason"),
    [
        ("multipart/form-data", b"x", 400, 3003, "has no boundary"),
        ("multipart/form-data; boundary=", b"x", 400, 3003, "has no boundary"),
        ("multipart/form-data; boundary=" + "b" * 2000, b"x", 400, 3003, "not valid multipart"),
        ("application/json", b"{}", 400, 3003, "curl"),
        ("", b"", 400, 3003, "curl"),
        (FORM, b"", 400, 3003, "truncated"),
        (FORM, b"garbage", 400, 3003, "not valid multipart"),
        (FORM, b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\nabc', 400, 3003, "truncated"),
        (FORM, b'--b\r\ncontent-disposition: form-data; name="file"\r\n\r\nabc\r\n--b--\r\n', 400, 5006, "file_name"),
        (FORM, b'--b\r\ncontent-disposition: form-data; name="file_name"\r\n\r\nx\r\n--b--\r\n', 400, 5006, "file:"),
        (FORM, b"--b\r\nx: y\r\n\r\na\r\n" * 20 + b"--b--\r\n", 400, 5006, "more than once"),
        (
            FORM,
            b'--b\r\ncontent-disposition: form-data; name="x"\r\n\r\n' + b"a" * 2000 + b"\r\n--b--",
            400,
            5006,
            "1000",
        ),
        (FORM, b"--b\r\n" + b"h" * 100_000 + b": y\r\n\r\na\r\n--b--\r\n", 400, 3003, "not valid multipart"),
    ],
)
def test_broken_forms(
    server: LiveServer, tmp_path: Path, content_type: str, body: bytes, status: int, code: int, reason: str
) -> None:
    create(server)
    headers = {"content-type": content_type} if content_type else {}
    response = server.client.post(f"{BASE}/mine/finetune-assets", content=body, headers=headers)
    assert reason in check_error(response, status, code)
    assert left_behind(server, tmp_path) == []


def test_a_client_that_goes_away_leaves_nothing(server: LiveServer, tmp_path: Path) -> None:
    create(server)
    with server.connect() as sock:
        sock.sendall(
            f"POST {BASE}/mine/finetune-assets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
            f'Content-Type: {FORM}\r\n\r\n--b\r\ncontent-disposition: form-data; name="file"\r\n\r\nabc'.encode()
        )
    assert server.client.get(BASE).status_code == 200


def test_a_slow_upload_ends(tmp_path: Path) -> None:
    with live_server(tmp_path / "data", body_timeout=0.2) as server:
        create(server)
        head = f"POST {BASE}/mine/finetune-assets HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n"
        assert b" 408 " in server.exchange(f"{head}Content-Type: {FORM}\r\n\r\n--b\r\n".encode()).partition(b"\r\n")[0]
        assert left_behind(server, tmp_path) == []


def test_files_belong_to_their_owner_alone(server: LiveServer, tmp_path: Path, adapter: Path) -> None:
    create(server)
    upload_all(server, "mine", adapter)
    assert os.stat(tmp_path / "data" / "finetunes").st_mode & 0o077 == 0
