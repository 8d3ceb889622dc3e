"""How data is kept: encryption and buckets."""

from __future__ import annotations

from pulumi_policy import ResourceValidationArgs

from envctl.policies.rule import ENVIRONMENT, EVERYWHERE, PRODUCTION, Rule, setting

_BUCKET = "gcp:storage/bucket:Bucket"


def _environment_cmek(args: ResourceValidationArgs) -> str | None:
    """Data is encrypted with keys of your own.

    Holds for the environment and for its buckets. A key cannot be given to an environment later: the environment
    would be replaced.
    """
    if not setting(args.props, "config.encryptionConfig.kmsKeyName"):
        return "The environment has no key of your own: config.encryptionConfig is missing."
    return None


def _bucket_cmek(args: ResourceValidationArgs) -> str | None:
    """Buckets are encrypted with keys of your own."""
    if not setting(args.props, "encryption.defaultKmsKeyName"):
        return "The bucket has no key of your own: encryption.defaultKmsKeyName is missing."
    return None


def _public_access_prevention(args: ResourceValidationArgs) -> str | None:
    """Nobody can make a bucket public, not even by mistake.

    With public access prevention an object cannot be opened to the internet by a binding or an ACL.
    """
    if setting(args.props, "publicAccessPrevention") != "enforced":
        return "The bucket can be made public: publicAccessPrevention is not `enforced`."
    return None


def _uniform_access(args: ResourceValidationArgs) -> str | None:
    """Access to a bucket is decided by IAM alone.

    Object ACLs grant rights that no policy shows, and conditions do not work beside them.
    """
    if setting(args.props, "uniformBucketLevelAccess") is not True:
        return "Objects may have ACLs of their own: uniformBucketLevelAccess is not true."
    return None


RULES = (
    Rule(
        "cmek-required",
        PRODUCTION,
        "write `encryption: {key: {create: true}}`, or name a key",
        {ENVIRONMENT: _environment_cmek, _BUCKET: _bucket_cmek},
    ),
    Rule(
        "public-access-prevention",
        EVERYWHERE,
        "let envctl declare the bucket: it enforces it",
        {_BUCKET: _public_access_prevention},
    ),
    Rule(
        "uniform-bucket-access",
        EVERYWHERE,
        "let envctl declare the bucket: it enforces it",
        {_BUCKET: _uniform_access},
    ),
)
