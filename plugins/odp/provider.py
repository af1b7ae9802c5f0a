"""What Airflow learns about this package by its provider entry point: the ODP connection type."""

from __future__ import annotations

from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the package's provider information (Airflow's ``apache_airflow_provider`` entry point)."""
    number = {"type": ["number", "null"], "default": None}
    return {
        "package-name": "commerce-odp-exports",
        "name": "Optimizely Data Platform",
        "description": "Exports of Optimizely Configured Commerce to `Optimizely Data Platform <https://www.optimizely.com/>`__.",
        "versions": ["0.1.0"],
        "connection-types": [
            {
                "connection-type": "odp",
                "hook-name": "Optimizely Data Platform",
                "hook-class-name": "odp.hooks.odp.OdpHook",
                "ui-field-behaviour": {
                    "hidden-fields": ["login"],
                    "relabeling": {"password": "API key", "host": "Host or region", "schema": "http or https"},
                    "placeholders": {
                        "host": "us1, eu1, au1 or https://...; empty: the key's region",
                        "password": "private key: <public>.<secret>",
                    },
                },
                "conn-fields": {
                    "batch_size": {"label": "Items a request (1 to 500)", "schema": number},
                    "concurrency": {"label": "Requests at the same time", "schema": number},
                    "timeout": {"label": "Timeout of a request, seconds", "schema": number},
                    "retry_budget": {"label": "Retry a request for, seconds", "schema": number},
                    "profiles_per_second": {"label": "Profile requests a second (0: no limit)", "schema": number},
                    "objects_per_second": {"label": "Object requests a second (0: no limit)", "schema": number},
                    "events_per_second": {"label": "Event requests a second (0: no limit)", "schema": number},
                    "allow_http": {
                        "label": "Allow plain http",
                        "schema": {"type": ["boolean", "null"], "default": False},
                    },
                },
            }
        ],
    }
