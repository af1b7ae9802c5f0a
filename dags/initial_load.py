"""
The first load, all exports in order, as an Airflow DAG.

Airflow looks for the words airflow and dag in a file before it parses it; they are here.
"""

from __future__ import annotations

from odp.operation_dags import build_initial_load_dag

build_initial_load_dag()
