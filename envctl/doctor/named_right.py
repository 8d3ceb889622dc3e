"""The right that an error text names: who lacks which permission on what, read off the text alone.

Forms of Google's APIs: google.rpc.Status of IAM, Cloud KMS, Secret Manager and Artifact Registry ("Permission 'P' denied on
resource '//...'"), Cloud Storage ("A does not have P access to the Google Cloud Storage object"), Compute Engine and GKE
("Required 'P' permission for 'R'"), Resource Manager and Cloud SDK ("does not have permission to access projects instance
[P:getIamPolicy]"), each as of 2026-08. What a text does not say stays None.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Final

from envctl.doctor.roles import RoleCatalogue, shipped_roles

_P: Final = r"(?P<permission>[a-z][a-zA-Z]+\.[a-zA-Z]+\.[a-zA-Z]+)"
_Q: Final = r"""['"`\[]?"""
_FORMS: Final = tuple(
    re.compile(text)
    for text in (
        rf"[Pp]ermission {_Q}{_P}{_Q[:-1]}?.?\s*(?:was |is )?denied (?:on|for) (?:the )?(?:resource|project)s?:? ?{_Q}(?P<resource>[\w/.:@-]+)?",
        rf"(?P<who>[\w.+-]+@[\w.-]+) does not have {_P} access to the Google Cloud (?:Storage )?(?P<kind>object|bucket|project)",
        rf"[Rr]equired {_Q}{_P}['\"\]]? permission(?:\(s\)|s)? for {_Q}(?P<resource>[\w/.:@-]+)?",
        rf"(?:does not have|lacks|is missing|[Mm]issing)(?: the| required| necessary)*(?: IAM)? permissions?:? {_Q}{_P}",
        rf"(?P<who>[\w.+-]+@[\w.-]+) (?:does not have|lacks) {_Q}{_P}",
        r"does not have permission to access (?P<kind>project|bucket|service account|keyring|cryptokey)s? instance \[(?P<resource>[\w/.:@-]+?):(?P<verb>[sg]etIamPolicy)\]",
        r"\[(?P<resource>[a-z][\w-]{4,62}):(?P<verb>[sg]etIamPolicy)\]",
    )
)
_WHO: Final = (
    re.compile(r"(?:[Uu]ser|[Aa]ccount|[Pp]rincipal|[Cc]aller|[Aa]gent)\s*[:\[('\"]?\s*(?P<who>[\w.+-]+@[\w.-]+\.\w+)"),
    re.compile(r"(?P<who>[\w.+-]+@[\w.-]*gserviceaccount\.com)"),
)
_SERVICES: Final = {
    "resourcemanager": "cloudresourcemanager",
    "cloudkms": "cloudkms",
    "storage": "storage",
    "iam": "iam",
    "compute": "compute",
    "secretmanager": "secretmanager",
    "artifactregistry": "artifactregistry",
}


@dataclass(frozen=True, slots=True)
class NamedRight:
    """A permission, and as far as the text says, whose and on which full resource name."""

    permission: str
    member: str | None
    resource: str | None

    @property
    def unsaid(self) -> tuple[str, ...]:
        """What the text leaves open, in words."""
        parts = (("who lacks it", self.member), ("on which resource", self.resource))
        return tuple(words for words, value in parts if value is None)


def named_rights(pieces: Iterable[str]) -> tuple[NamedRight, ...]:
    """The rights that the lines of a text name, each once, in the order of the text."""
    return tuple(dict.fromkeys(found for piece in pieces for found in _read(piece)))


def _read(piece: str) -> Iterator[NamedRight]:
    for form in _FORMS:
        for match in form.finditer(piece):
            found = match.groupdict()
            permission = found.get("permission") or f"resourcemanager.projects.{found['verb']}"
            if not RoleCatalogue().known(permission):
                continue
            yield NamedRight(permission, _member(found.get("who"), piece), _full(permission, found.get("resource")))
            return


def _member(address: str | None, piece: str) -> str | None:
    if address is None:
        address = next((match["who"] for form in _WHO if (match := form.search(piece))), None)
    if address is None:
        return None
    address = address.rstrip(".")
    return f"{'serviceAccount' if address.endswith('gserviceaccount.com') else 'user'}:{address}"


def _full(permission: str, name: str | None) -> str | None:
    """The full resource name of what a text calls by one of its names."""
    if not name:
        return None
    name = name.rstrip(".:,")
    if name.startswith("//"):
        return name
    service = permission.partition(".")[0]
    parts = name.split("/")
    if service == "resourcemanager" or (parts[0] == "projects" and len(parts) == 2) or len(parts) == 1:
        project = parts[1] if parts[0] == "projects" and len(parts) > 1 else parts[0]
        return (
            f"//cloudresourcemanager.googleapis.com/projects/{project}"
            if re.fullmatch(r"[a-z0-9-]{4,40}", project)
            else None
        )
    return f"//{_SERVICES.get(service, service)}.googleapis.com/{name}" if parts[0] == "projects" else None


@cache
def narrowest_role(permission: str) -> str | None:
    """The predefined role that holds this permission and least besides.

    Roles of the permission's own service come first, those of administrators last; service agents' and basic roles
    never count.
    """
    roles = RoleCatalogue()
    bit = roles.bit(permission)
    service = permission.partition(".")[0]
    fitting = [
        (
            service != "resourcemanager" and not name.startswith(f"roles/{service}."),
            "admin" in name.lower(),
            bits.bit_count(),
            name,
        )
        for name, stage in shipped_roles()
        if stage == "GA"
        and "erviceagent" not in name.lower()
        and name not in {"roles/owner", "roles/editor", "roles/viewer", "roles/browser"}
        and (bits := roles.role_bits(name) or 0) & bit
    ]
    return min(fitting)[3] if fitting else None
