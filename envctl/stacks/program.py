"""The two programs: an environment's stack and a foundation's, from a loaded file to declarations."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from envctl.composer import Links
from envctl.errors import UsageError
from envctl.iam_roles import Binding, required_apis, required_bindings
from envctl.spec.loader import Loaded
from envctl.spec.model import Bucket, Environment, Foundation, ManagedSecret
from envctl.stacks.adoption import without
from envctl.stacks.apis import api_of, api_resources, foundation_apis
from envctl.stacks.bindings import (
    Holder,
    Holders,
    account_holder,
    binding_resources,
    bucket_holder,
    key_holder,
    repository_holder,
    secret_holder,
    shareable_targets,
)
from envctl.stacks.components import components_for
from envctl.stacks.context import BindingTarget, ProgramContext
from envctl.stacks.declaration import Input, Ref, Resource, StackProgram, references
from envctl.stacks.encryption import KEY, key_name, key_resources
from envctl.stacks.environment import ENVIRONMENT, environment_resource
from envctl.stacks.exports import environment_exports, foundation_exports
from envctl.stacks.foundation_access import foundation_bindings
from envctl.stacks.identities import account_email, account_resources, asked_api_of, identity_resources
from envctl.stacks.naming import named_environment, named_foundation
from envctl.stacks.network import NetworkLinks, existing_links, foundation_links, network_resources, own_links
from envctl.stacks.node_pools import node_pool_resources
from envctl.stacks.observability import observability_resources
from envctl.stacks.repository import REPOSITORY, repository_resources
from envctl.stacks.scope import Scope
from envctl.stacks.secrets import secret_resource_name, secret_resources
from envctl.stacks.storage import ENVIRONMENT_BUCKET, bucket_resource_name, bucket_resources
from envctl.stacks.workloads import workload_resources


def environment_declarations(loaded: Loaded, context: ProgramContext) -> StackProgram:
    """Everything that the stack of an environment declares.

    Raises:
        UsageError: the file is a foundation.
    """
    spec = loaded.environment
    scope = _scope(loaded, spec, context)
    foundation = loaded.foundation
    links = _network_links(spec, foundation, context)
    key = _key(spec, foundation, context)
    account = account_email(spec.service_account, spec.project)
    bindings = declared_bindings(loaded, context)

    resources = api_resources(scope, _short(required_apis(spec, named_foundation(foundation))))
    resources += account_resources(scope, spec.service_account)
    resources += identity_resources(scope, [binding.member for binding in bindings])
    if spec.network.vpc is not None:
        resources += network_resources(scope, spec.network.vpc, ("network", "vpc"))
    if spec.encryption is not None and spec.encryption.key.create:
        resources += key_resources(scope, spec.encryption.key)
    memberships = binding_resources(scope, bindings, _holders(scope, spec, key, account))
    key_users, before, after = _stages(memberships)
    resources += key_users
    owned = bucket_resources(scope, spec.buckets, key)
    if spec.secrets is not None:
        owned += secret_resources(scope, spec.secrets.create)
    if spec.repository is not None:
        owned += repository_resources(scope, spec.repository, key)
    resources += _after_key_users(owned, key_users)
    resources += before
    resources.append(
        environment_resource(
            scope,
            spec,
            Links(
                service_account=account,
                network=links.network,
                subnetwork=links.subnetwork,
                pods_range=links.pods_range,
                services_range=links.services_range,
                kms_key=key,
                bucket=_environment_bucket(spec),
                labels=scope.environment_labels,
            ),
            depends_on=tuple(resource.name for resource in resources),
        )
    )
    resources += after
    resources += workload_resources(scope, spec.user_workloads)
    resources += node_pool_resources(scope, spec, links, account)
    resources += observability_resources(scope, spec, _channels(spec, foundation))
    program = _assembled(scope, resources, environment_exports(scope, spec, account))
    return program if spec.adopted is None else without(program, spec.adopted.without)


def foundation_declarations(loaded: Loaded, context: ProgramContext) -> StackProgram:
    """Everything that the stack of a foundation declares.

    Raises:
        UsageError: the file is an environment.
    """
    spec = loaded.spec
    if not isinstance(spec, Foundation):
        raise UsageError(f"{loaded.name} is an environment, not a foundation", code="not-a-foundation")
    scope = _scope(loaded, spec, context)
    bindings = foundation_bindings(scope.name, spec, context)
    resources = api_resources(scope, foundation_apis(spec))
    resources += identity_resources(scope, [binding.member for binding in bindings])
    links = NetworkLinks()
    if spec.network is not None:
        resources += network_resources(scope, spec.network, ("network",))
        links = own_links(spec.network)
    key = _foundation_key(spec)
    if spec.encryption is not None and spec.encryption.key.create:
        resources += key_resources(scope, spec.encryption.key)
    key_users, before, after = _stages(binding_resources(scope, bindings, _foundation_holders(scope, spec, key)))
    resources += key_users
    owned = bucket_resources(scope, spec.buckets, key)
    repository: Input = None
    if spec.repository is not None:
        owned += repository_resources(scope, spec.repository, key)
        repository = Ref(REPOSITORY)
    resources += [*_after_key_users(owned, key_users), *before, *after]
    channels = tuple(spec.monitoring.channels) if spec.monitoring else ()
    return _assembled(scope, resources, foundation_exports(scope, links, key, repository, channels))


def declared_bindings(loaded: Loaded, context: ProgramContext) -> tuple[Binding, ...]:
    """The bindings of an environment that its stack declares: those that are needed and ours to give."""
    name = loaded.environment.name or loaded.name
    return tuple(
        binding
        for binding in required_bindings(
            named_environment(loaded.environment, name),
            named_foundation(loaded.foundation),
            project_number=context.project_number,
            host_project_number=context.host_project_number,
        )
        if binding.managed and binding.needed
    )


def shared_bindings(loaded: Loaded, context: ProgramContext, siblings: Iterable[Loaded]) -> frozenset[BindingTarget]:
    """Memberships that other files declare too, for `ProgramContext.shared_bindings`.

    `siblings` are the other environments and foundations of the project folder; the environment's own foundation
    need not be among them.
    """
    others = {sibling.name: sibling for sibling in siblings if sibling.name != loaded.name}
    if loaded.foundation is not None:
        others[loaded.foundation.name] = loaded.foundation
    declared = (_shareable(other, context) for other in others.values())
    return _shareable(loaded, context) & frozenset[BindingTarget]().union(*declared)


def _shareable(loaded: Loaded, context: ProgramContext) -> frozenset[BindingTarget]:
    spec = loaded.spec
    scope = _scope(loaded, spec, context)
    if isinstance(spec, Foundation):
        bindings = foundation_bindings(scope.name, spec, context)
        return shareable_targets(bindings, _foundation_holders(scope, spec, _foundation_key(spec)))
    account = account_email(spec.service_account, spec.project)
    key = _key(spec, loaded.foundation, context)
    return shareable_targets(declared_bindings(loaded, context), _holders(scope, spec, key, account))


def _foundation_key(spec: Foundation) -> Input:
    """The foundation's key as a reference, or the name of an existing one; None without encryption."""
    if spec.encryption is None:
        return None
    return Ref(KEY) if spec.encryption.key.create else spec.encryption.key.name


def _scope(loaded: Loaded, spec: Environment | Foundation, context: ProgramContext) -> Scope:
    return Scope(
        name=spec.name or loaded.name,
        project=spec.project,
        region=spec.region,
        protect=bool(spec.protect),
        user_labels=spec.labels,
        context=context,
        own_labels=has_own_labels(spec),
        stack=loaded.name,
    )


def has_own_labels(spec: Environment | Foundation) -> bool:
    """Whether envctl and its provider put labels of their own on what a file declares."""
    return not isinstance(spec, Environment) or spec.adopted is None or spec.adopted.labels


def _foundation_spec(foundation: Loaded | None) -> Foundation | None:
    return foundation.spec if foundation is not None and isinstance(foundation.spec, Foundation) else None


def _short(services: Iterable[str]) -> tuple[str, ...]:
    return tuple(service.removesuffix(".googleapis.com") for service in services)


def _network_links(spec: Environment, foundation: Loaded | None, context: ProgramContext) -> NetworkLinks:
    if spec.network.vpc is not None:
        return own_links(spec.network.vpc)
    shared = _foundation_spec(foundation)
    if spec.network.from_ == "foundation" and foundation is not None and shared is not None and shared.network:
        links = foundation_links(shared.name or foundation.name, shared.project, shared.region, shared.network)
        outputs = context.foundation_outputs or {}
        return replace(
            links,
            network=outputs.get("network", links.network),
            subnetwork=outputs.get("subnetwork", links.subnetwork),
        )
    return existing_links(spec.network, spec.project, spec.region)


def _key(spec: Environment, foundation: Loaded | None, context: ProgramContext) -> Input:
    """The key as a reference or a full name; None without customer-managed encryption."""
    if spec.encryption is None:
        return None
    key = spec.encryption.key
    if key.create:
        return Ref(KEY)
    shared = _foundation_spec(foundation)
    if key.from_ == "foundation" and foundation is not None and shared is not None and shared.encryption:
        known = (context.foundation_outputs or {}).get("key") or shared.encryption.key.name
        return known or key_name(shared.name or foundation.name, shared.project, shared.region, shared.encryption.key)
    return key.name


def _channels(spec: Environment, foundation: Loaded | None) -> tuple[str, ...]:
    if spec.monitoring is None:
        return ()
    shared = _foundation_spec(foundation)
    if spec.monitoring.from_ == "foundation" and shared is not None and shared.monitoring is not None:
        return (*shared.monitoring.channels, *spec.monitoring.channels)
    return tuple(spec.monitoring.channels)


def _environment_bucket(spec: Environment) -> Input:
    bucket = spec.buckets.get(ENVIRONMENT_BUCKET)
    if bucket is None:
        return None
    return bucket.existing or Ref(bucket_resource_name(ENVIRONMENT_BUCKET), "name")


def _holders(scope: Scope, spec: Environment, key: Input, account: str) -> Holders:
    """Allow policies of what the stack declares, by address in the file."""
    holders: dict[str, Holder] = {}
    if spec.service_account.email is None:
        holders["service-account"] = account_holder()
    if key is not None:
        holders["encryption.key"] = key_holder(key, KEY if isinstance(key, Ref) else None)
    # Without a bucket of its own the environment makes one, known only afterwards.
    holders[f"buckets.{ENVIRONMENT_BUCKET}"] = bucket_holder(
        Ref(ENVIRONMENT, "storageConfig.bucket"), ENVIRONMENT, outlives=False
    )
    holders |= _bucket_holders(spec.buckets)
    if spec.secrets is not None:
        holders |= _secret_holders(scope.project, spec.secrets.create)
    if spec.repository is not None:
        holders["repository"] = repository_holder(scope.project, scope.region, REPOSITORY)
    member = f"serviceAccount:{account}" if spec.service_account.email is None else None
    return Holders(holders, member)


def _foundation_holders(scope: Scope, spec: Foundation, key: Input) -> Holders:
    """Allow policies of what a foundation declares, by address in the file."""
    holders = _bucket_holders(spec.buckets)
    if spec.repository is not None:
        holders["repository"] = repository_holder(scope.project, scope.region, REPOSITORY)
    if key is not None:
        holders["encryption.key"] = key_holder(key, KEY if isinstance(key, Ref) else None)
    return Holders(holders)


def _bucket_holders(buckets: Mapping[str, Bucket]) -> dict[str, Holder]:
    """Allow policies of buckets: of those of the stack, and of those that exist and stay whose they are."""
    holders: dict[str, Holder] = {}
    for key, bucket in buckets.items():
        owner = bucket_resource_name(key) if bucket.existing is None else None
        name = Ref(owner, "name") if owner else bucket.existing
        outlives = owner is None or bucket.retain is not False
        holders[f"buckets.{key}"] = bucket_holder(name, owner, outlives=outlives)
    return holders


def _secret_holders(project: str, secrets: Mapping[str, ManagedSecret]) -> dict[str, Holder]:
    """Allow policies of secrets, the stack's own and existing ones."""
    holders: dict[str, Holder] = {}
    for key, secret in secrets.items():
        owner = secret_resource_name(key) if secret.existing is None else None
        name = Ref(owner, "secretId") if owner else secret.existing
        holders[f"secrets.{key}"] = secret_holder(project, name, owner)
    return holders


def _stages(memberships: Iterable[Resource]) -> tuple[list[Resource], list[Resource], list[Resource]]:
    """Memberships in three stages: on the key, before the environment, and on the bucket that it makes itself."""
    on_key: list[Resource] = []
    before: list[Resource] = []
    after: list[Resource] = []
    for resource in memberships:
        if resource.type == "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember":
            on_key.append(resource)
        elif any(ref.resource == ENVIRONMENT for ref in references(resource.inputs)):
            after.append(resource)
        else:
            before.append(resource)
    return on_key, before, after


def _after_key_users(owned: Iterable[Resource], key_users: Iterable[Resource]) -> list[Resource]:
    """What the stack owns, where everything encrypted waits for Google's agents to be allowed to use the key."""
    names = tuple(resource.name for resource in key_users)

    def waiting(resource: Resource) -> Resource:
        if "encryption" not in resource.inputs and "kmsKeyName" not in resource.inputs:
            return resource
        options = replace(resource.options, depends_on=(*resource.options.depends_on, *names))
        return replace(resource, options=options)

    return [waiting(resource) for resource in owned]


def _agent_api(scope: Scope, resource: Resource) -> str | None:
    """The API that makes the agent of this project that a membership names, when it does so on request."""
    member = resource.inputs.get("member")
    if not isinstance(member, str) or f"-{scope.context.project_number}@" not in member:
        return None
    return asked_api_of(member)


def _assembled(scope: Scope, resources: list[Resource], exports: dict[str, Input]) -> StackProgram:
    """The program: every resource after its API, adopted where it exists, in the tree."""
    context = scope.context
    declared = {resource.name for resource in resources}
    finished: list[Resource] = []
    for resource in resources:
        options = replace(resource.options, import_id=context.adopted.get(resource.name))
        for api in (_agent_api(scope, resource), api_of(resource.type)):
            if api in declared and api not in options.depends_on:
                options = replace(options, depends_on=(api, *options.depends_on))
        finished.append(replace(resource, options=options))
    arguments = context.provider
    provider: dict[str, Input] = {"project": scope.project, "region": scope.region, **arguments.endpoints}
    if not scope.own_labels:
        provider["addPulumiAttributionLabel"] = False  # what was taken over keeps the labels that it has
    if arguments.impersonate_service_account:
        provider["impersonateServiceAccount"] = arguments.impersonate_service_account
    if arguments.user_project_override:
        provider["userProjectOverride"] = True
    if arguments.billing_project:
        provider["billingProject"] = arguments.billing_project
    return StackProgram(
        provider=provider,
        components=components_for(frozenset(resource.parent for resource in finished)),
        resources=tuple(finished),
        exports=exports,
    )
