"""The work itself, free of Airflow: usable and testable without it."""
