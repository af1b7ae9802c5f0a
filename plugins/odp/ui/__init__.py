"""The page inside Airflow: a FastAPI app of Airflow's API server that only reads, from the ledger."""
