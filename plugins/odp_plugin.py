"""
The Airflow plugin of this package: its template macros, and the reference of its deadline alerts.

Airflow loads it from the plugins folder, and only from there: registered by an entry point as well, it would be dropped.
"""

from __future__ import annotations

from airflow.plugins_manager import AirflowPlugin

from odp.deadlines import DueDeadline
from odp.macros import window_end, window_start


class OdpPlugin(AirflowPlugin):
    """Makes ``macros.odp.window_start`` and ``macros.odp.window_end`` known to templates, and deadlines to the scheduler."""

    name = "odp"
    macros = [window_start, window_end]
    deadline_references = [DueDeadline]
