"""A throwaway Airflow: its settings, its database in a temporary folder, its API. Must be imported before Airflow is."""

import os
import shutil
import tempfile

HOME = tempfile.mkdtemp(prefix="airflow-differential-")
os.environ.update(
    AIRFLOW_HOME=HOME,
    AIRFLOW__CORE__LOAD_EXAMPLES="False",
    AIRFLOW__CORE__AUTH_MANAGER="airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
    AIRFLOW__API_AUTH__JWT_SECRET="a secret of the tests, long enough to sign tokens with it",
    AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=f"sqlite:///{HOME}/airflow.db",
    AIRFLOW__LOGGING__LOGGING_LEVEL="CRITICAL",
    AIRFLOW__USAGE_DATA_COLLECTION__ENABLED="False",
)


def start():
    """Makes the database. Gives a client of Airflow's API whose caller may do everything."""
    from airflow.api_fastapi.app import create_app
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.api_fastapi.core_api.security import get_user
    from airflow.models.dagbundle import DagBundleModel
    from airflow.utils.db import initdb
    from airflow.utils.session import create_session
    from fastapi.testclient import TestClient
    from sqlalchemy import event
    from sqlalchemy.engine import Engine

    @event.listens_for(Engine, "connect")
    def _hurry(connection, _record):
        # The database does not outlive the process, so nothing is lost by not waiting for the disk.
        if hasattr(connection, "execute"):
            connection.execute("PRAGMA synchronous=OFF").close()

    initdb()
    with create_session() as session:
        session.add(DagBundleModel(name="scenarios"))
    app = create_app(apps="core")
    app.dependency_overrides[get_user] = lambda: SimpleAuthManagerUser(username="tests", role="admin")
    return TestClient(app, raise_server_exceptions=False)


def remove():
    shutil.rmtree(HOME, ignore_errors=True)
