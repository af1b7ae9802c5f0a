"""docs/real-time.md: its statements run, its commands and settings exist."""

from __future__ import annotations

import json
import re
import shlex

import psycopg
import pytest

from odp.check_keys import main
from odp.core.exports import EXPORTS
from odp.core.settings import Settings, read_settings
from sandbox.odp.server import SandboxOdp
from sandbox.world import PROJECT
from tests.realtime.conftest import Shop
from tests.realtime.test_operator import add_product, deliver

PAGE = (PROJECT / "docs" / "real-time.md").read_text()
STATEMENTS = re.findall(r"```sql\n(.+?)```", PAGE, re.S)


def test_its_statements_run(shop: Shop, account: SandboxOdp) -> None:
    grants, looks, waiting, latest = STATEMENTS
    shop.execute(add_product(1))
    shop.look()
    with psycopg.connect(shop.ledger) as ledger:
        assert [row[1] for row in ledger.execute(waiting)] == [1]
        deliver()
        assert ledger.execute(waiting).fetchall() == []
        assert sorted(row[0] for row in ledger.execute(looks)) == sorted(export.dag_id for export in EXPORTS)
        assert [row[:4] for row in ledger.execute(latest)] == [("product_odp_export", "odp_realtime/asset_triggered__1", 1, 1)]
    shop.record_changes()
    with psycopg.connect(shop.replica, autocommit=True) as owner:
        owner.execute("DROP ROLE IF EXISTS exports; CREATE ROLE exports")
        owner.execute(grants)
        owner.execute("SET ROLE exports; SELECT * FROM odp_changes.change; RESET ROLE; DROP OWNED BY exports; DROP ROLE exports")


def test_its_commands_run(shop: Shop, account: SandboxOdp, capsys: pytest.CaptureFixture[str]) -> None:
    (command,) = re.findall(r"^    python -m odp\.check_keys (.+)$", PAGE, re.M)
    main(shlex.split(command))
    assert capsys.readouterr().out.count("\n") == len(EXPORTS)


def test_its_settings_exist_with_their_defaults() -> None:
    for name, default in re.findall(r"^\| `(\w+)` \| `(.+?)` \|", PAGE, re.M):
        assert Settings.model_fields[name].default == json.loads(default)
    examples = re.findall(r"`(\{.+?\})`", PAGE)
    assert len(examples) == 2
    for example in examples:
        read_settings(example)
