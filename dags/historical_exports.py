"""
The six historical exports of Commerce as Airflow DAGs.

Airflow looks for the words airflow and dag in a file before it parses it; they are here.
"""

from __future__ import annotations

from odp.core.exports import EXPORTS
from odp.factory import build_export_dag

for export in EXPORTS:
    build_export_dag(export)
