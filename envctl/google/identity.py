"""As whom envctl calls Google: the account, its access tokens, and the project that pays for requests.

The same choice goes to the provider as arguments (`impersonateServiceAccount`, `userProjectOverride`,
`billingProject`), so that the plugin and envctl's own clients are one caller.
Names of variables: Terraform's "Google Provider Configuration Reference".
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from envctl.errors import OutsideError, UsageError
from envctl.masking import learn
from envctl.spec.forms import ACCOUNT_ADDRESS, PROJECT_ID

if TYPE_CHECKING:
    from google.auth.credentials import Credentials
    from google.auth.exceptions import GoogleAuthError, RefreshError

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_LOGIN = "log in with\n    gcloud auth application-default login"
_ROLE = "roles/iam.serviceAccountTokenCreator"
_FORBIDDEN = 403
_BUSY = 429
_THEIR_FAULT = 500
_REFUSED = "impersonation-refused"
_FROM_IAM = "Unable to acquire impersonated credentials"
"""How google-auth begins what it says of an answer of the IAM Credentials API, and of nothing that came before it."""
# As Go's strconv.ParseBool, with which the provider reads it.
_TRUE = frozenset({"1", "t", "T", "TRUE", "true", "True"})
_FALSE = frozenset({"0", "f", "F", "FALSE", "false", "False"})

Token = Callable[[], str]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who is to call, beyond the credentials of the machine.

    Attributes:
        impersonate: address of the service account to act as; None for the credentials themselves.
        billing_project: the project whose quota requests count against.
        user_project_override: whether requests name a project of their own for that at all.
    """

    impersonate: str | None = None
    billing_project: str | None = None
    user_project_override: bool = False

    @classmethod
    def chosen(
        cls, environment: Mapping[str, str], impersonate: str | None = None, billing_project: str | None = None
    ) -> Caller:
        """The caller after the provider's variables, which win, and after what `envctl.yaml` says.

        A billing project means that requests name it, unless `USER_PROJECT_OVERRIDE` says no.

        Raises:
            UsageError: a variable holds something that it cannot.
        """
        account = environment.get("GOOGLE_IMPERSONATE_SERVICE_ACCOUNT") or impersonate
        if account and not re.fullmatch(ACCOUNT_ADDRESS, account):
            raise UsageError(
                "GOOGLE_IMPERSONATE_SERVICE_ACCOUNT is not the address of a service account",
                detail=f"It says `{account}`; expected is NAME@PROJECT.iam.gserviceaccount.com.",
            )
        project = environment.get("GOOGLE_BILLING_PROJECT") or billing_project
        if project and not re.fullmatch(PROJECT_ID, project):
            raise UsageError("GOOGLE_BILLING_PROJECT is not the id of a project", detail=f"It says `{project}`.")
        override = environment.get("USER_PROJECT_OVERRIDE", "")
        if override and override not in _TRUE | _FALSE:
            raise UsageError("USER_PROJECT_OVERRIDE is neither true nor false", detail=f"It says `{override}`.")
        return cls(account or None, project or None, override in _TRUE if override else bool(project))

    def quota_project(self, project: str) -> str | None:
        """The project whose quota requests about resources of `project` count against, when they name one."""
        return (self.billing_project or project) if self.user_project_override else None


@dataclass(frozen=True, slots=True)
class Identity:
    """What requests are signed with.

    Attributes:
        token: an access token for each request.
        member: who that is, as in allow policies; None when the credentials do not tell.
        quota_project: the project that requests name for their quota.
        borrower: who acts as `member` by its tokens; None when nobody does, or when the credentials do not tell.
    """

    token: Token
    member: str | None = None
    quota_project: str | None = None
    borrower: str | None = None

    def headers(self) -> dict[str, str]:
        """Who asks, and whose quota it is.

        Raises:
            OutsideError: there is no token to be had.
        """
        named = {"x-goog-user-project": self.quota_project} if self.quota_project else {}
        return {"authorization": f"Bearer {self.token()}", **named}


def google_identity(caller: Caller, environment: Mapping[str, str], address: Callable[[str], str]) -> Identity:
    """The identity of a caller at Google.

    The ground is `GOOGLE_OAUTH_ACCESS_TOKEN`, else application default credentials; a service account that is to be
    acted as lends its tokens on top of that, as in the real provider.

    Args:
        caller: who is to call.
        environment: variables; they may hold a token.
        address: base address of a service.

    Raises:
        OutsideError: there are no credentials.
    """
    quota = caller.billing_project if caller.user_project_override else None
    given = environment.get("GOOGLE_OAUTH_ACCESS_TOKEN", "")
    learn(given)
    if caller.impersonate is None:
        if given:
            return Identity(lambda: given, None, quota)
        credentials = _default_credentials()
        return Identity(_refreshed(credentials, _not_accepted), _member_of(credentials), quota)
    account = caller.impersonate
    source = _given_credentials(given) if given else _default_credentials()
    member = _member_of(source)
    credentials = _impersonated(source, account, address("iamcredentials/v1"))
    token = _refreshed(credentials, lambda error: _lent(error, account, member))
    return Identity(token, f"serviceAccount:{account}", quota, member)


def _given_credentials(token: str) -> Credentials:
    from google.oauth2.credentials import Credentials as OAuthCredentials

    return OAuthCredentials(token)


def _default_credentials() -> Credentials:
    import google.auth
    from google.auth.exceptions import DefaultCredentialsError

    try:
        credentials, _ = google.auth.default(scopes=[_SCOPE])
    except DefaultCredentialsError as error:
        raise OutsideError(
            "There are no Google Cloud credentials",
            detail=str(error),
            hints=(_LOGIN, "or try it without a cloud: --cloud sandbox"),
            code="no-credentials",
        ) from error
    return credentials


def _impersonated(source: Credentials, account: str, base: str) -> Credentials:
    from google.auth import impersonated_credentials

    return impersonated_credentials.Credentials(
        source_credentials=source,
        target_principal=account,
        target_scopes=[_SCOPE],
        iam_endpoint_override=f"{base}projects/-/serviceAccounts/{account}:generateAccessToken",
    )


def _member_of(credentials: Credentials) -> str | None:
    """Whose credentials they are, when that can be told without asking."""
    email = getattr(credentials, "service_account_email", None)
    if isinstance(email, str) and "@" in email:
        return f"serviceAccount:{email}"
    account = getattr(credentials, "account", None)
    return f"user:{account}" if isinstance(account, str) and account else None


def _refreshed(credentials: Credentials, refused: Callable[[RefreshError], OutsideError]) -> Token:
    """Tokens of credentials, renewed when they run out.

    An impersonation that was refused is not asked for again: many requests go on at once, and all wait for this.
    """
    from google.auth.exceptions import GoogleAuthError, RefreshError, TransportError
    from google.auth.transport.requests import Request

    guard = threading.Lock()
    said: list[OutsideError] = []

    def token() -> str:
        with guard:
            if said:
                raise said[0]
            if not credentials.valid:
                try:
                    credentials.refresh(Request())
                except TransportError as error:
                    raise OutsideError(
                        "Google could not be reached for an access token",
                        detail=str(error),
                        hints=("look at the network, and at HTTPS_PROXY if there is a proxy",),
                        code="network",
                    ) from error
                except RefreshError as error:
                    refusal = refused(error)
                    if refusal.code == _REFUSED:
                        said.append(refusal)
                    raise refusal from error
                except GoogleAuthError as error:
                    raise _not_accepted(error) from error
            learn(credentials.token)
            return str(credentials.token)

    return token


def _not_accepted(error: GoogleAuthError) -> OutsideError:
    summary = "The Google Cloud credentials were not accepted"
    return OutsideError(summary, detail=str(error), hints=(_LOGIN,), code="credentials")


def _lent(error: RefreshError, account: str, member: str | None) -> OutsideError:
    """Why an account does not lend its tokens; the fault of what lies below when IAM Credentials was not even asked."""
    if not str(error.args[0] if error.args else "").startswith(_FROM_IAM):
        return _not_accepted(error)
    answer = _answer_of(error)
    code, message = answer.get("code"), str(answer.get("message", ""))
    status = code if isinstance(code, int) and not isinstance(code, bool) else 0
    if not answer or status == _BUSY or status >= _THEIR_FAULT:
        detail = f"{status}: {message}" if answer else str(error)
        return OutsideError("The IAM Credentials API gave no access token", detail=detail, code="api-refused")
    hints: tuple[str, ...] = ()
    if "SERVICE_DISABLED" in json.dumps(answer):
        hints = ("switch the API on with\n    gcloud services enable iamcredentials.googleapis.com",)
    elif status == _FORBIDDEN:
        needs = f"whoever runs envctl needs {_ROLE} on {account} itself; a new grant takes minutes to work"
        grant = f"grant it with\n    gcloud iam service-accounts add-iam-policy-binding {account} --member={member} --role={_ROLE}"
        hints = (needs, grant) if member else (needs,)
    return OutsideError(
        f"{account} cannot be impersonated",
        detail=f"{status}: {message}" + (f"\nasked as {member}" if member else ""),
        hints=hints,
        code=_REFUSED,
    )


def _answer_of(error: RefreshError) -> Mapping[str, Any]:
    """The error that the IAM Credentials API answered with, which google-auth passes on as text; empty for none."""
    try:
        said = json.loads(error.args[1])
    except (IndexError, TypeError, ValueError):
        return {}
    found = said.get("error") if isinstance(said, dict) else None
    return found if isinstance(found, dict) else {}
