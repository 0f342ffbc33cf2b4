"""The credentials of the task for S3 and Kinesis, had on Databricks itself, when it is needed."""

import base64

from pinterest_platform.engines.databricks.messages import Access
from pinterest_platform.settings import Settings

# The keys of a secret scope, named as AWS names them, and the variables that AWS's clients read.
_SECRETS = {
    "aws_access_key_id": "AWS_ACCESS_KEY_ID",
    "aws_secret_access_key": "AWS_SECRET_ACCESS_KEY",
}


def access_of(settings: Settings) -> Access:
    """Where the settings say that credentials are."""
    return Access(settings.databricks_service_credential, settings.databricks_secret_scope)


def environment_of(access: Access) -> dict[str, str]:
    """The variables from which AWS's clients take the credentials; none where there is a role.

    Those of a service credential are temporary; AWS gives them for an hour.

    Raises:
        databricks.sdk.errors.DatabricksError: there is no such credential or scope, or no right.
    """
    if not (access.service_credential or access.secret_scope):
        return {}
    # Half a second, and a package, that only the task needs.
    from databricks.sdk import WorkspaceClient  # noqa: PLC0415

    workspace = WorkspaceClient()
    if access.service_credential:
        given = workspace.credentials.generate_temporary_service_credential(
            access.service_credential
        ).aws_temp_credentials
        assert given is not None, access.service_credential  # noqa: S101 - it is one of AWS
        return {
            "AWS_ACCESS_KEY_ID": given.access_key_id or "",
            "AWS_SECRET_ACCESS_KEY": given.secret_access_key or "",
            "AWS_SESSION_TOKEN": given.session_token or "",
        }
    return {
        variable: base64.b64decode(
            workspace.secrets.get_secret(access.secret_scope, key).value or ""
        ).decode()
        for key, variable in _SECRETS.items()
    }
