# One image for every service of docker-compose.yaml that runs Python. It holds exactly what constraints.txt locks, which is
# why it starts from Python and not from apache/airflow with its own set of providers.
FROM python:3.12-slim-bookworm

ENV AIRFLOW_HOME=/opt/airflow \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore \
    PYTHONUNBUFFERED=1

# The user and group ids of Airflow's official image. A named volume takes over the owner of the folder it is mounted on, so
# the folders of the volumes exist here. What is staged, and what the sandbox ODP receives, is personal data: for no one else.
RUN useradd --uid 50000 --gid 0 --home-dir /opt/airflow --no-create-home airflow \
    && install --directory --owner airflow --group 0 --mode 0755 /opt/airflow /opt/airflow/logs \
    && install --directory --owner airflow --group 0 --mode 0700 /opt/airflow/odp /opt/airflow/odp_staging

WORKDIR /opt/airflow

# The second line is what the sandbox's services need on top.
COPY constraints.txt requirements.txt requirements-celery.txt requirements-s3.txt ./
RUN pip install -c constraints.txt -r requirements.txt -r requirements-celery.txt -r requirements-s3.txt \
    fastapi graphql-core uvicorn

# Editable: odp/factory.py finds include/sql beside plugins/, and the entry point registers the connection type.
COPY pyproject.toml ./
COPY plugins plugins
RUN pip install --no-deps -e .

COPY dags dags
COPY include include
COPY sandbox sandbox
COPY docker docker
RUN python -m compileall -q dags plugins sandbox

USER airflow
CMD ["airflow", "info"]
