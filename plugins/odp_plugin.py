"""
The Airflow plugin of this package: its template macros, the reference of its deadline alerts, and its page.

Airflow loads it from the plugins folder, and only from there: registered by an entry point as well, it would be dropped.
"""

from __future__ import annotations

from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from odp.deadlines import DueDeadline
from odp.macros import window_end, window_start


class OdpPlugin(AirflowPlugin):
    """
    Makes ``macros.odp`` known to templates and deadlines to the scheduler, and adds the page *ODP exports*.

    The page is built when the API server asks for it: tasks, which load the plugin for its macros, need not import it.
    """

    name = "odp"
    macros = [window_start, window_end]
    deadline_references = [DueDeadline]
    external_views = [
        {
            "name": "ODP exports",
            # Relative, so that it holds under whatever path Airflow lies.
            "href": "odp/",
            "destination": "nav",
            "nav_top_level": True,
            "url_route": "odp-exports",
            "icon": "odp/static/icon.svg",
        }
    ]

    @cached_property
    def fastapi_apps(self) -> list[Any]:  # type: ignore[override]
        """The page's app."""
        from odp.ui.app import create_app

        return [{"name": "ODP exports", "app": create_app(), "url_prefix": "/odp"}]

    @cached_property
    def fastapi_root_middlewares(self) -> list[Any]:  # type: ignore[override]
        """The guard before Airflow's trigger routes."""
        from odp.ui.parameter_guard import ParameterGuard

        return [{"name": "ODP parameter guard", "middleware": ParameterGuard, "args": [], "kwargs": {}}]
