"""The task's credentials for S3 and Kinesis, fetched on Databricks when needed."""

import base64
from typing import TYPE_CHECKING

from pinterest_platform.engines.databricks.messages import Access
from pinterest_platform.errors import ConfigurationError, error_for, first_line
from pinterest_platform.settings import Settings

if TYPE_CHECKING:
    from databricks.sdk import WorkspaceClient

_SECRETS = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
}


def access_of(settings: Settings) -> Access:
    """The credentials' source according to the settings."""
    return Access(settings.databricks_service_credential, settings.databricks_secret_scope)


def environment_of(access: Access) -> dict[str, str]:
    """The credentials as variables for AWS's clients; empty if the task uses a role.

    A service credential's variables are temporary; AWS issues them for an hour.

    Raises:
        PlatformError: the credential or scope does not exist, or access to it is denied.
    """
    if not (access.service_credential or access.secret_scope):
        return {}
    # Half a second of imports from a package that only the task needs.
    from databricks.sdk import WorkspaceClient  # noqa: PLC0415
    from databricks.sdk.errors.base import DatabricksError  # noqa: PLC0415

    workspace = WorkspaceClient()
    try:
        if access.service_credential:
            return _of_service_credential(workspace, access.service_credential)
        return {
            variable: base64.b64decode(
                workspace.secrets.get_secret(access.secret_scope, key).value or ""
            ).decode()
            for key, variable in _SECRETS.items()
        }
    except DatabricksError as error:
        kind = "SERVICE_CREDENTIAL" if access.service_credential else "SECRET_SCOPE"
        raise error_for(f"{type(error).__name__} {error}")(
            f"the credentials for S3 and Kinesis are not available ({first_line(error)}): create "
            f"them in Databricks, grant access to them, or set PINTEREST_DATABRICKS_{kind}"
        ) from error


def _of_service_credential(workspace: "WorkspaceClient", name: str) -> dict[str, str]:
    issued = workspace.credentials.generate_temporary_service_credential(name).aws_temp_credentials
    if issued is None:
        raise ConfigurationError(
            f"the service credential {name} is not for AWS: "
            "set PINTEREST_DATABRICKS_SERVICE_CREDENTIAL to an AWS credential"
        )
    return {
        "AWS_ACCESS_KEY_ID": issued.access_key_id or "",
        "AWS_SECRET_ACCESS_KEY": issued.secret_access_key or "",
        "AWS_SESSION_TOKEN": issued.session_token or "",
    }
