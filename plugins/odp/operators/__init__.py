"""Airflow operators: the stages of an export."""
