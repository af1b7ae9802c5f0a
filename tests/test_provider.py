"""What Airflow learns about the package from its installation: the connection type of ODP."""

from __future__ import annotations

import importlib.metadata
import json
import os
import re
import subprocess
import sys
from typing import Any

import pytest

from odp.hooks.odp import OdpHook
from odp.provider import get_provider_info
from sandbox.world import PROJECT

# The plugins folder is elsewhere and the working directory too: only what pip installed can be found.
_SCRIPT = """
import json
from airflow.api_fastapi.core_api.services.ui.connections import HookMetaService
from airflow.providers_manager import ProvidersManager

manager = ProvidersManager()
hook = manager.hooks["odp"]
form = next(meta for meta in HookMetaService.hook_meta_data() if meta.connection_type == "odp")
print(json.dumps({
    "class": hook.hook_class_name, "name": hook.hook_name, "package": hook.package_name,
    "id": hook.connection_id_attribute_name, "testable": hook.connection_testable,
    "version": manager.providers[hook.package_name].version, "form": form.model_dump(mode="json"),
}))
"""


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a new process with the installed package, and nothing of this checkout on its path, knows of the type odp."""
    folder = tmp_path_factory.mktemp("elsewhere")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW_", "PYTHONPATH"))}
    environment |= {"AIRFLOW_HOME": str(folder), "AIRFLOW__CORE__PLUGINS_FOLDER": str(folder / "plugins")}
    result = subprocess.run(
        [sys.executable, "-c", _SCRIPT], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stderr
    return dict(json.loads(result.stdout.splitlines()[-1]))


def test_the_installed_package_registers_the_connection_type(registered: dict[str, Any]) -> None:
    assert registered["class"] == f"{OdpHook.__module__}.{OdpHook.__name__}"
    assert registered["name"] == OdpHook.hook_name == "Optimizely Data Platform"
    assert registered["package"] == "commerce-odp-exports"
    assert registered["id"] == OdpHook.conn_name_attr
    assert registered["testable"] is True


def test_the_versions_agree(registered: dict[str, Any]) -> None:
    stated = re.search(r'^version = "(.+)"$', (PROJECT / "pyproject.toml").read_text(), re.M)
    assert stated
    assert get_provider_info()["versions"][0] == stated[1]
    assert registered["version"] == stated[1]
    assert importlib.metadata.version("commerce-odp-exports") == stated[1]


def test_the_connection_form_offers_every_option_of_the_hook(registered: dict[str, Any]) -> None:
    fields = registered["form"]["extra_fields"]
    documented = set(re.findall(r"``([a-z_]+)``", (OdpHook.__doc__ or "").partition("Its extra may hold")[2]))
    assert set(fields) == documented == set(get_provider_info()["connection-types"][0]["conn-fields"])
    assert fields["batch_size"]["schema"]["title"] == "Items a request (1 to 500)"
    assert fields["batch_size"]["schema"]["type"] == ["number", "null"]
    assert fields["allow_http"]["schema"]["type"] == ["boolean", "null"]


def test_every_option_of_the_form_is_read_by_the_hook(monkeypatch: pytest.MonkeyPatch) -> None:
    names = [name for name in get_provider_info()["connection-types"][0]["conn-fields"] if name != "allow_http"]
    assert names
    for name in names:
        connection = {"conn_type": "odp", "password": "pub.secret", "extra": {name: "not a number"}}
        monkeypatch.setenv("AIRFLOW_CONN_ODP_TEST", json.dumps(connection))
        with pytest.raises(Exception, match=name):
            _ = OdpHook("odp_test").options


def test_the_connection_form_asks_for_a_key_and_a_region(registered: dict[str, Any]) -> None:
    standard = registered["form"]["standard_fields"]
    assert standard["login"]["hidden"] is True
    assert standard["password"]["title"] == "API key"
    assert standard["password"]["placeholder"] == "private key: <public>.<secret>"
    assert standard["host"]["title"] == "Host or region"
    assert "us1, eu1, au1" in standard["host"]["placeholder"]
