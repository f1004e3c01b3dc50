"""Settings that are none are named."""

from fireside.settings import Settings, unknown_settings


def test_unknown_settings_are_named_with_what_was_meant() -> None:
    [port] = unknown_settings(["FIRESIDE_PROT", "PATH", "FIRESIDE_PORT", "fireside_host", "FIRESIDE_TOKEN"])
    assert port == "Unknown setting FIRESIDE_PROT has no effect. Did you mean FIRESIDE_PORT?"
    [other] = unknown_settings(["FIRESIDE_XYZZY"])
    assert other.endswith("The documentation lists all of them.")


def test_every_setting_is_known() -> None:
    assert unknown_settings(f"FIRESIDE_{name.upper()}" for name in Settings.model_fields) == []
