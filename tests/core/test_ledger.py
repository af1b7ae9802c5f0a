"""The ledger's connection, what it knows of records, and its counts."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import psycopg
import pytest

from odp.core.bodies import ItemState
from odp.core.exceptions import LedgerError
from odp.core.ledger import Ledger, hash_text

ODD_KEYS = (
    "plain",
    "with space",
    'a,"b"',
    "line\nbreak",
    "\\.",
    "\\N",
    "ключ",
    "🙂",
    "x" * 2_000,
    "'; DROP TABLE record_state; --",
)


@pytest.fixture
def ledger(ledger_database: str) -> Iterator[Ledger]:
    """The ledger of one export."""
    with Ledger(lambda: psycopg.connect(ledger_database), "account", "export") as opened:
        yield opened


def state(key: str, content: str = "content", *, closes: bool = True) -> ItemState:
    return ItemState(key, hash_text(key), hash_text(content), "", closes, f"id of {key}")


def confirm(ledger: Ledger, *states: ItemState, run_id: str = "run", part: int = 0) -> None:
    ledger.confirm_records(run_id, part, ItemState.write(states), len(states))


def known(ledger: Ledger, *keys: str) -> dict[str, tuple[str, str]]:
    return {key: (content, run) for key, content, run in ledger.acknowledged([hash_text(key) for key in keys]).iter_rows()}


class TestRecords:
    def test_nothing_is_known_at_first(self, ledger: Ledger) -> None:
        frame = ledger.acknowledged([hash_text("a")])
        assert frame.columns == ["key_hash", "acknowledged_hash", "acknowledged_by"]
        assert frame.height == 0
        assert ledger.acknowledged([]).height == 0

    def test_what_was_confirmed_is_known(self, ledger: Ledger) -> None:
        confirm(ledger, state("a", "1"), state("b", "2"))
        assert known(ledger, "a", "b", "c") == {
            hash_text("a"): (hash_text("1"), "run"),
            hash_text("b"): (hash_text("2"), "run"),
        }
        assert known(ledger, "a") == {hash_text("a"): (hash_text("1"), "run")}

    def test_the_last_confirmation_counts(self, ledger: Ledger) -> None:
        confirm(ledger, state("a", "1"))
        confirm(ledger, state("a", "2"), run_id="later")
        assert known(ledger, "a") == {hash_text("a"): (hash_text("2"), "later")}

    def test_any_key_can_be_kept(self, ledger: Ledger) -> None:
        confirm(ledger, *(state(key) for key in ODD_KEYS))
        rows = ledger.connection.execute("SELECT record_key FROM record_state").fetchall()
        assert {row[0] for row in rows} == set(ODD_KEYS)
        assert len(known(ledger, *ODD_KEYS)) == len(ODD_KEYS)

    def test_items_that_do_not_close_a_row_say_nothing_about_the_record(self, ledger: Ledger) -> None:
        confirm(ledger, state("a", "purchase", closes=False), state("a", "cancel"))
        assert known(ledger, "a") == {hash_text("a"): (hash_text("cancel"), "run")}

    def test_a_failed_confirmation_leaves_nothing(self, ledger: Ledger) -> None:
        with pytest.raises(psycopg.DataError):
            ledger.confirm_records("run", 0, b'"a",no-uuid,no-uuid,,t,"id"\n', 1)
        assert known(ledger, "a") == {}
        assert ledger.delivered_rows("run") == 0
        confirm(ledger, state("a"))
        assert ledger.delivered_rows("run") == 1

    def test_exports_and_accounts_are_apart(self, ledger: Ledger, ledger_database: str) -> None:
        confirm(ledger, state("a"))
        for account, export in (("account", "other"), ("other", "export")):
            with Ledger(lambda: psycopg.connect(ledger_database), account, export) as other:
                assert known(other, "a") == {}
                assert other.delivered_rows("run") == 0

    def test_threads_that_confirm_the_same_records_do_not_deadlock(self, ledger: Ledger) -> None:
        states = [state(str(number)) for number in range(300)]
        errors: list[BaseException] = []

        def work(turn: int) -> None:
            try:
                for _ in range(5):
                    confirm(ledger, *(states if turn % 2 else reversed(states)), part=turn)
            except BaseException as error:
                errors.append(error)

        threads = [threading.Thread(target=work, args=(turn,)) for turn in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert errors == []
        assert ledger.delivered_rows("run") == 4 * 5 * 300
        assert len(known(ledger, *(s.record_key for s in states))) == 300


class TestCounts:
    def test_rows_are_added_up_by_run_and_part(self, ledger: Ledger) -> None:
        ledger.count_delivered("run", 0, 3)
        ledger.count_delivered("run", 0, 4)
        ledger.count_delivered("run", 1, 5)
        ledger.count_delivered("other", 0, 9)
        assert ledger.delivered_rows("run") == 12
        assert ledger.delivered_rows("run", 0) == 7
        assert ledger.delivered_rows("run", 2) == 0
        assert ledger.delivered_rows("nobody") == 0


class TestConnection:
    def test_each_thread_has_its_own_and_keeps_it(self, ledger: Ledger) -> None:
        mine = ledger.connection
        assert ledger.connection is mine
        others: list[object] = []
        thread = threading.Thread(target=lambda: others.append(ledger.connection))
        thread.start()
        thread.join()
        assert others
        assert others[0] is not mine

    def test_all_are_closed_in_the_end(self, ledger_database: str) -> None:
        with Ledger(lambda: psycopg.connect(ledger_database), "account", "export") as ledger:
            opened = [ledger.connection]
            thread = threading.Thread(target=lambda: opened.append(ledger.connection))
            thread.start()
            thread.join()
        assert [connection.closed for connection in opened] == [True, True]
        assert not ledger.connection.closed  # and it can be used again
        ledger.__exit__()

    def test_a_broken_one_is_replaced(self, ledger: Ledger, ledger_database: str) -> None:
        pid = ledger.connection.info.backend_pid
        with psycopg.connect(ledger_database, autocommit=True) as other:
            other.execute("SELECT pg_terminate_backend(%s)", (pid,))
        with pytest.raises(psycopg.OperationalError):
            ledger.delivered_rows("run")
        assert ledger.delivered_rows("run") == 0
        assert ledger.connection.info.backend_pid != pid

    def test_commits_are_on_disk_however_the_server_is_configured(self, ledger: Ledger) -> None:
        assert ledger.connection.execute("SHOW synchronous_commit").fetchone() == ("on",)

    def test_a_database_without_tables_is_no_ledger(self, database: str) -> None:
        with (
            pytest.raises(LedgerError, match=r"has no tables.*python -m odp\.create_ledger"),
            Ledger(lambda: psycopg.connect(database), "account", "export"),
        ):
            pass


def test_hashes_stay_the_same() -> None:
    """Another hash would make everything look changed after an upgrade."""
    assert hash_text("1001") == "fe675fe7aaee830b6fed09b64e034f84"
    assert len({hash_text(key) for key in ODD_KEYS}) == len(ODD_KEYS)
