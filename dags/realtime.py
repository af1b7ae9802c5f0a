"""
The delivery of changes as they happen, as an Airflow DAG.

Airflow looks for the words airflow and dag in a file before it parses it; they are here.
"""

from __future__ import annotations

from odp.operation_dags import build_realtime_dag

build_realtime_dag()
