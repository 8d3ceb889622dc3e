"""Who may do what."""

from __future__ import annotations

from collections.abc import Iterator

from pulumi_policy import ResourceValidationArgs

from envctl.policies.rule import ADVICE, EVERYWHERE, Level, Levels, Rule, setting

_PRIMITIVE = frozenset({"roles/owner", "roles/editor", "roles/viewer"})
_PUBLIC = frozenset({"allUsers", "allAuthenticatedUsers"})
_MEMBER_TYPES = (
    "gcp:projects/iAMMember:IAMMember",
    "gcp:folder/iAMMember:IAMMember",
    "gcp:organizations/iAMMember:IAMMember",
    "gcp:serviceaccount/iAMMember:IAMMember",
    "gcp:storage/bucketIAMMember:BucketIAMMember",
    "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
    "gcp:secretmanager/secretIamMember:SecretIamMember",
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
    "gcp:compute/subnetworkIAMMember:SubnetworkIAMMember",
)


def _no_primitive_roles(args: ResourceValidationArgs) -> str | None:
    """Nobody gets owner, editor or viewer.

    These roles hold thousands of permissions, most of them on things that have nothing to do with Airflow.
    """
    role = setting(args.props, "role")
    return f"{role} is a primitive role." if role in _PRIMITIVE else None


def _no_all_users(args: ResourceValidationArgs) -> str | None:
    """Nothing is granted to everybody on the internet.

    `allAuthenticatedUsers` is everybody with a Google account, not everybody of your company.
    """
    public = sorted(_PUBLIC.intersection(_members(args)))
    return f"It is granted to {', '.join(public)}." if public else None


def _members(args: ResourceValidationArgs) -> Iterator[str]:
    member = setting(args.props, "member")
    if isinstance(member, str):
        yield member
    yield from setting(args.props, "members") or ()


def _no_account_keys(args: ResourceValidationArgs) -> str | None:
    """No keys of service accounts are made.

    A key is a password that never ends and travels in files. Attach the account, impersonate it, or use workload
    identity federation.
    """
    return f"{args.name} is a key of a service account."


def _no_authoritative_policies(args: ResourceValidationArgs) -> str | None:
    """Policies and bindings are extended, never replaced.

    An authoritative policy or binding takes the rights of everybody it does not name, Google's service agents
    first: environments stop working.
    """
    return f"{args.name} replaces the bindings of everybody else."


RULES = (
    Rule(
        "no-primitive-roles",
        EVERYWHERE,
        "grant the roles that `envctl iam ENV` lists",
        dict.fromkeys(_MEMBER_TYPES, _no_primitive_roles),
    ),
    Rule("no-all-users", EVERYWHERE, "name users, groups or accounts", dict.fromkeys(_MEMBER_TYPES, _no_all_users)),
    Rule(
        "no-account-keys",
        Levels(Level.ADVISORY, Level.MANDATORY, Level.MANDATORY),
        "use impersonation or workload identity federation",
        {"gcp:serviceaccount/key:Key": _no_account_keys},
    ),
    Rule(
        "no-authoritative-policies",
        ADVICE,
        "use the member resource (`...IAMMember`) instead",
        {
            f"gcp:{module}/{kind}": _no_authoritative_policies
            for module in ("projects", "folder", "organizations", "serviceaccount")
            for kind in ("iAMPolicy:IAMPolicy", "iAMBinding:IAMBinding")
        },
    ),
)
