import hashlib
import json
import random
import threading
from pathlib import Path

import httpx2
import huggingface_hub
import pytest
from huggingface_hub.utils import build_hf_headers, tqdm  # type: ignore[attr-defined]  # left out of the stub
from pydantic import ValidationError

from fireside.errors import BadWeights, DownloadFailed
from fireside.weights.download import http
from fireside.weights.download import hub as hub_module
from fireside.weights.download.hub import _safe_token
from fireside.weights.download.pull import pull
from fireside.weights.locate import is_downloaded, model_dir
from support.file_server import FileServer, Served
from support.model_sources import COMMIT, REPO, file_path, hub_source, model_spec, serve_repository

FILES = {
    "config.json": json.dumps({"vocab_size": 99}).encode(),
    "model.safetensors": random.Random(3).randbytes(200_000),
    "tokenizer.json": b"{}",
    "unwanted.bin": b"no",
}
WANTED = ("config.json", "model.safetensors", "tokenizer.json")
SPEC = model_spec(hub_source(*WANTED, optional=("generation_config.json",)))
LISTING = f"/api/models/{REPO}/revision/main"


def test_the_wanted_files_arrive_checked(hub: FileServer, tmp_path: Path) -> None:
    serve_repository(hub, FILES)
    seen: list[tuple[str, int, int]] = []
    folder = pull(SPEC, tmp_path, lambda *step: seen.append(step))
    assert {path.name: path.read_bytes() for path in folder.iterdir() if not path.name.startswith(".")} == {
        name: FILES[name] for name in WANTED
    }
    assert is_downloaded(tmp_path, SPEC)
    assert seen[0] == (f"Asking the hub for {REPO}", 0, 0)
    assert ("Downloading model.safetensors", 200_000, 200_000) in seen


def test_optional_files_come_where_they_exist(hub: FileServer, tmp_path: Path) -> None:
    serve_repository(hub, {**FILES, "generation_config.json": b"{}"})
    assert (pull(SPEC, tmp_path) / "generation_config.json").read_bytes() == b"{}"


def test_a_revision_is_asked_for(hub: FileServer, tmp_path: Path) -> None:
    serve_repository(hub, FILES, revision="v2")
    spec = model_spec(hub_source(*WANTED, revision="v2"))
    assert pull(spec, tmp_path) != pull_folder_of_main(tmp_path)


def pull_folder_of_main(data_dir: Path) -> Path:
    return model_dir(data_dir, SPEC)


def test_a_broken_off_pull_goes_on_and_keeps_whole_files(hub: FileServer, tmp_path: Path) -> None:
    served = serve_repository(hub, FILES)

    def kill(phase: str, done: int, total: int) -> None:
        if phase == "Downloading model.safetensors":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        pull(SPEC, tmp_path, kill)
    (part,) = tmp_path.glob("models/*/*.part")
    have = part.stat().st_size
    assert have > 0
    assert not is_downloaded(tmp_path, SPEC)
    hub.requests.clear()
    served["model.safetensors"].cuts = [10]
    pull(SPEC, tmp_path)
    assert hub.ranges_of(file_path("config.json")) == []
    if have < 200_000:
        assert hub.ranges_of(file_path("model.safetensors"))[0] == f"bytes={have}-"
    assert is_downloaded(tmp_path, SPEC)


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
def test_other_content_of_the_same_size_is_refused(hub: FileServer, tmp_path: Path, name: str) -> None:
    served = serve_repository(hub, FILES)
    served[name].content = bytes(len(FILES[name]))
    with pytest.raises(DownloadFailed, match=f"{name} arrived damaged.*Try again"):
        pull(SPEC, tmp_path)
    assert not is_downloaded(tmp_path, SPEC)
    served[name].content = FILES[name]
    pull(SPEC, tmp_path)
    assert is_downloaded(tmp_path, SPEC)


def test_a_part_damaged_on_disk_is_fetched_again(hub: FileServer, tmp_path: Path) -> None:
    serve_repository(hub, FILES)
    folder = pull(SPEC, tmp_path)
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.part").write_bytes(bytes(1000))
    assert (pull(SPEC, tmp_path) / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_file_damaged_on_disk_is_fetched_again(hub: FileServer, tmp_path: Path) -> None:
    serve_repository(hub, FILES)
    folder = pull(SPEC, tmp_path)
    (folder / "model.safetensors").write_bytes(b"cut")
    assert not is_downloaded(tmp_path, SPEC)
    assert (pull(SPEC, tmp_path) / "model.safetensors").read_bytes() == FILES["model.safetensors"]


def test_a_token_goes_with_every_request(hub: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_repository(hub, FILES)
    for served in hub.files.values():
        served.needs = ("authorization", "Bearer hf_secret")
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    pull(SPEC, tmp_path)
    assert is_downloaded(tmp_path, SPEC)


def test_a_token_never_travels_in_clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    for endpoint, kept in (
        ("http://mirror.example", False),
        ("http://127.0.0.1.example", False),
        ("ftp://mirror.example", False),
        ("https://mirror.example", True),
        ("http://127.0.0.1:80", True),
    ):
        monkeypatch.setenv("HF_ENDPOINT", endpoint)
        for token in ("hf_given", None):
            assert (_safe_token(token) is not False) == kept
            sent = build_hf_headers(token=_safe_token(token)).get("authorization", "")
            assert sent.endswith("hf_given" if token else "hf_secret") == kept
            assert bool(sent) == kept


def checksums(**instead: str) -> dict[str, str]:
    """Those of FILES, as a catalog file has them: one of a hub's kind, one of the other, one missing."""
    return {
        "config.json": "sha256:" + hashlib.sha256(FILES["config.json"]).hexdigest(),
        "model.safetensors": "sha256:" + hashlib.sha256(FILES["model.safetensors"]).hexdigest(),
        **{name.replace("__", "."): value for name, value in instead.items()},
    }


def test_the_catalogs_checksums_are_held_to(hub: FileServer, tmp_path: Path) -> None:
    serve_repository(hub, FILES)
    pull(model_spec(hub_source(*WANTED, checksums=checksums())), tmp_path)
    for number, wrong in enumerate(("sha256:" + "0" * 64, "git:" + "0" * 40)):
        for name in ("config__json", "model__safetensors"):
            folder = tmp_path / f"{number}{name}"
            with pytest.raises(DownloadFailed, match=r"lists another|arrived damaged"):
                pull(model_spec(hub_source(*WANTED, checksums=checksums(**{name: wrong}))), folder)
            assert not is_downloaded(folder, SPEC)


def test_a_mirror_that_lists_another_file_is_refused_before_a_byte_of_it(hub: FileServer, tmp_path: Path) -> None:
    serve_repository(hub, FILES)
    wrong = checksums(model__safetensors="sha256:" + "0" * 64)
    with pytest.raises(DownloadFailed, match=r"another model\.safetensors than the catalog:.*HF_ENDPOINT.*--from"):
        pull(model_spec(hub_source(*WANTED, checksums=wrong)), tmp_path)
    assert hub.ranges_of(file_path("model.safetensors")) == []


def test_a_mirror_that_offers_another_commit_is_refused(hub: FileServer, tmp_path: Path) -> None:
    commit = "1" * 40
    serve_repository(hub, FILES, revision=commit)
    with pytest.raises(DownloadFailed, match=f"asked for the commit {commit} and offers"):
        pull(model_spec(hub_source(*WANTED, revision=commit)), tmp_path)


def test_no_token_for_a_gated_file(hub: FileServer, tmp_path: Path) -> None:
    served = serve_repository(hub, FILES)
    served["model.safetensors"].needs = ("authorization", "Bearer hf_secret")
    with pytest.raises(DownloadFailed, match=r"gated: accept its licence.*HF_TOKEN"):
        pull(SPEC, tmp_path)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_an_unknown_or_private_repository(hub: FileServer, tmp_path: Path, status: int) -> None:
    hub.files[LISTING] = Served(b"", statuses=[status])
    with pytest.raises(DownloadFailed, match=r"There is no .*someone/tiny, or it is private.*HF_TOKEN"):
        pull(SPEC, tmp_path)


def test_a_hub_out_of_order(hub: FileServer, tmp_path: Path) -> None:
    hub.files[LISTING] = Served(b"", statuses=[501])
    with pytest.raises(DownloadFailed, match=r"answered 501. Try again later"):
        pull(SPEC, tmp_path)


def test_something_else_than_a_hub(hub: FileServer, tmp_path: Path) -> None:
    hub.files[LISTING] = Served(b"<html>Please log in</html>", "text/html")
    with pytest.raises(DownloadFailed, match=r"not a hub.*HF_ENDPOINT"):
        pull(SPEC, tmp_path)


def test_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with pytest.raises(DownloadFailed, match=r"cannot be reached.*Check the network.*--from"):
        pull(SPEC, tmp_path)


def test_a_missing_file_is_named(hub: FileServer, tmp_path: Path) -> None:
    serve_repository(hub, {"config.json": b"{}"})
    with pytest.raises(DownloadFailed, match=r"has no model\.safetensors, tokenizer\.json at revision main"):
        pull(SPEC, tmp_path)


def test_a_file_that_is_listed_but_gone(hub: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "ATTEMPTS", 2)
    serve_repository(hub, FILES)
    del hub.files[file_path("tokenizer.json")]
    with pytest.raises(DownloadFailed, match=r"tokenizer\.json of .* cannot be downloaded: the server answered 404"):
        pull(SPEC, tmp_path)


def test_a_redirect_is_followed_and_the_token_stays_behind(
    hub: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served = serve_repository(hub, FILES)
    hub.files["/cdn"] = Served(FILES["model.safetensors"], cuts=[1000])
    served["model.safetensors"].location = f"{hub.url.replace('127.0.0.1', 'localhost')}/cdn?signed=1"
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1,localhost")
    folder = pull(SPEC, tmp_path)
    assert (folder / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert hub.ranges_of("/cdn") == ["", "bytes=1000-"]
    told = {path: headers.get("authorization") for path, headers in hub.requests}
    assert told[file_path("model.safetensors")] == "Bearer hf_secret"
    assert told["/cdn"] is None


def test_a_server_that_says_nothing_is_asked_again(
    hub: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub_module, "TIMEOUT", httpx2.Timeout(30, read=0.2))
    served = serve_repository(hub, FILES)
    asked_again = threading.Event()

    def hang_at_first() -> None:
        if len(hub.ranges_of(file_path("model.safetensors"))) == 1:
            asked_again.wait(30)
        asked_again.set()

    served["model.safetensors"].before = hang_at_first
    assert (pull(SPEC, tmp_path) / "model.safetensors").read_bytes() == FILES["model.safetensors"]
    assert len(hub.ranges_of(file_path("model.safetensors"))) == 2


def test_names_of_the_hub_are_never_places(hub: FileServer, tmp_path: Path) -> None:
    serve_repository(hub, {**FILES, "../../evil": b"x", "/tmp/evil": b"x"})
    folder = pull(SPEC, tmp_path / "data")
    assert sorted(path.name for path in folder.iterdir()) == sorted([".complete.json", *WANTED])
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    for name in ("../evil", "a/b", ".hidden", "/etc/passwd", ""):
        with pytest.raises(ValidationError):
            hub_source(name)


def test_offline_nothing_is_asked(hub: FileServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    serve_repository(hub, FILES)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadFailed, match=r"HF_HUB_OFFLINE is set. Unset it, or name a folder with --from"):
        pull(SPEC, tmp_path)
    assert hub.requests == []


def test_the_hubs_own_download_keeps_nothing_of_what_broke_off(hub: FileServer, tmp_path: Path) -> None:
    """Why `http.py` is there. Should this fail, huggingface_hub has learnt to go on after a kill, and may do it all."""
    served = serve_repository(hub, FILES)["model.safetensors"]
    served.headers = {"x-repo-commit": COMMIT, "etag": '"1"'}
    hub.files[f"/{REPO}/resolve/main/model.safetensors"] = served

    class Killed(tqdm):
        def update(self, n: float | None = 1) -> bool | None:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        huggingface_hub.hf_hub_download(
            REPO, "model.safetensors", local_dir=tmp_path, endpoint=hub.url, tqdm_class=Killed
        )
    assert not [path for path in tmp_path.rglob("*incomplete*") if path.stat().st_size]


def test_files_of_another_model_are_refused(hub: FileServer, tmp_path: Path) -> None:
    serve_repository(hub, FILES)
    facts = SPEC.architecture.model_copy(update={"vocab_size": 32000})
    with pytest.raises(BadWeights, match="vocab_size is 99, not 32000"):
        pull(SPEC.model_copy(update={"architecture": facts}), tmp_path)
    assert not is_downloaded(tmp_path, SPEC)


def test_a_source_without_names_takes_what_transformers_would(hub: FileServer, tmp_path: Path) -> None:
    parts = {f"model-0000{part}-of-00002.safetensors": bytes([part]) * 10 for part in (1, 2)}
    files = {**FILES, **parts, "model.safetensors.index.json": b"{}", "tokenizer_config.json": b"{}"}
    del files["model.safetensors"]
    extra = {"consolidated.safetensors": b"x", "model-00001-of-00002.bin": b"x", "README.md": b"x"}
    serve_repository(hub, {**files, **extra})
    folder = pull(model_spec(hub_source()), tmp_path)
    wanted = {"config.json", "tokenizer.json", "tokenizer_config.json", "model.safetensors.index.json", *parts}
    assert {path.name for path in folder.iterdir() if not path.name.startswith(".")} == wanted


@pytest.mark.parametrize("lacking", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_source_without_names_lacks_something(hub: FileServer, tmp_path: Path, lacking: str) -> None:
    serve_repository(hub, {name: content for name, content in FILES.items() if name != lacking})
    with pytest.raises(DownloadFailed, match=f"has no {lacking} at revision main"):
        pull(model_spec(hub_source()), tmp_path)


def test_whether_a_repository_is_gated_does_not_move_its_files(tmp_path: Path) -> None:
    gated = SPEC.source.model_copy(update={"gated": True})
    assert model_dir(tmp_path, SPEC.model_copy(update={"source": gated})) == model_dir(tmp_path, SPEC)
