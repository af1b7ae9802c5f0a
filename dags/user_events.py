"""
The optional export of user events as an Airflow DAG, off until a setting says what it sends.

Airflow looks for the words airflow and dag in a file before it parses it; they are here.
"""

from __future__ import annotations

from odp.core.exports import OPTIONAL_EXPORTS
from odp.factory import build_export_dag

for export in OPTIONAL_EXPORTS:
    build_export_dag(export)
