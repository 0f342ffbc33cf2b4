"""Reads a secret of AWS Secrets Manager through dagster-aws; its keys are checked elsewhere."""

import json
import warnings

from botocore.exceptions import BotoCoreError, ClientError

from pinterest_platform.errors import PlatformError

# The second request is for a packet that was lost.
_ATTEMPTS = 2


def read_secret(secret: str, region: str) -> dict[str, object]:
    """The JSON object in a secret.

    Args:
        secret: its name or ARN.
        region: of a secret given by name; if empty, the region of AWS's configuration.

    Raises:
        PlatformError: the secret cannot be read or is not a JSON object; never shows its value.
    """
    # 3 s of imports that only secrets need.
    from dagster import BetaWarning  # noqa: PLC0415
    from dagster_aws.secretsmanager import SecretsManagerResource  # noqa: PLC0415

    region = secret.split(":")[3] if secret.startswith("arn:") else region
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", BetaWarning)
        manager = SecretsManagerResource(region_name=region or None, max_attempts=_ATTEMPTS)
    try:
        answer = manager.get_client().get_secret_value(SecretId=secret)
    except ClientError as error:
        # Only AWS's error code: its message may quote the request's signed headers.
        raise _unreadable(secret, str(error.response["Error"].get("Code"))) from None
    except (BotoCoreError, ValueError) as error:
        raise _unreadable(secret, type(error).__name__) from None
    try:
        content = json.loads(answer.get("SecretString") or "")
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise PlatformError(
            f"the secret {secret} is not a JSON object: write it as RDS does, "
            '{"username": ..., "password": ..., "host": ..., "port": ..., "dbname": ...}'
        )
    return content


def _unreadable(secret: str, reason: str) -> PlatformError:
    return PlatformError(
        f"the secret {secret} cannot be read ({reason}): check PINTEREST_DB_SECRET, AWS_REGION and "
        "the permission secretsmanager:GetSecretValue"
    )
