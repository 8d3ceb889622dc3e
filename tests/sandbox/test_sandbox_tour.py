"""Every implemented method is called with success at least once, under the eyes of the discovery documents."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from sandbox_client import PARENT, Client

from envctl.sandbox import control

if TYPE_CHECKING:
    from envctl.sandbox.cloud import Cloud

P = "projects/acme"
L = "projects/acme/locations/europe-west1"
PERMISSIONS = {"permissions": ["resourcemanager.projects.get"]}
MEMBER = "user:someone@example.com"


def binding(role: str) -> dict[str, Any]:
    return {"policy": {"version": 3, "bindings": [{"role": role, "members": [MEMBER]}]}}


class Tour:
    def __init__(self, cloud: Cloud) -> None:
        self.client = Client(cloud)

    def go(self, host: str, verb: str, path: str, body: object = None, **options: Any) -> Any:
        return self.client.ok(verb, f"https://{host}.googleapis.com/{path}", body, **options)

    def end(self, host: str, verb: str, path: str, body: object = None) -> Any:
        """Call and let the operation end."""
        answer = self.go(host, verb, path, body)
        cloud = self.client.cloud
        with cloud.exclusive():
            for record in cloud.operations.pending():
                assert "error" not in (cloud.operations.finish(record["key"]) or {})
        return answer

    def policies(self, host: str, path: str, role: str, *, get: str = "GET") -> None:
        self.go(host, get, f"{path}:getIamPolicy")
        self.go(host, "POST", f"{path}:setIamPolicy", binding(role))
        self.go(host, "POST", f"{path}:testIamPermissions", PERMISSIONS)

    # -- services ----------------------------------------------------------------------------------

    def service_usage(self) -> None:
        base = f"v1/{P}/services"
        operation = self.go("serviceusage", "POST", f"{base}:batchEnable", {"serviceIds": ["pubsub.googleapis.com"]})
        self.go("serviceusage", "GET", f"v1/{operation['name']}")
        self.end("serviceusage", "POST", f"{base}/dns.googleapis.com:enable", {})
        self.end("serviceusage", "POST", f"{base}/dns.googleapis.com:disable", {})
        self.go("serviceusage", "GET", f"{base}/dns.googleapis.com")
        self.go("serviceusage", "GET", f"{base}?filter=state:ENABLED")
        self.go("serviceusage", "GET", f"{base}:batchGet?names={P}/services/dns.googleapis.com")
        self.go("serviceusage", "POST", f"v1beta1/{P}/services/composer.googleapis.com:generateServiceIdentity")

    def resource_manager(self) -> None:
        host = "cloudresourcemanager"
        self.go(host, "GET", f"v1/{P}")
        self.go(host, "GET", f"v3/{P}")
        self.go(host, "POST", f"v1/{P}:getAncestry", {})
        self.go(host, "GET", "v1/projects")
        self.go(host, "GET", "v3/projects?parent=folders/11")
        self.go(host, "GET", "v3/projects:search")
        self.go(host, "GET", "v3/folders/11")
        self.go(host, "GET", "v3/organizations/22")
        for version, name in (("v1", P), ("v3", P), ("v3", "folders/11"), ("v3", "organizations/22")):
            self.policies(host, f"{version}/{name}", "roles/viewer", get="POST")

    def accounts(self) -> None:
        base = f"v1/{P}/serviceAccounts"
        for identifier in ("runner", "passer-by"):
            self.go("iam", "POST", base, {"accountId": identifier, "serviceAccount": {"displayName": "d"}})
        self.go("iam", "GET", base)
        one = f"{base}/passer-by@acme.iam.gserviceaccount.com"
        unique = self.go("iam", "GET", one)["uniqueId"]
        self.go("iam", "PATCH", one, {"serviceAccount": {"description": "x"}, "updateMask": "description"})
        self.policies("iam", one, "roles/iam.serviceAccountUser", get="POST")
        self.go("iam", "POST", f"{one}:disable", {})
        self.go("iam", "POST", f"{one}:enable", {})
        self.go("iam", "GET", f"{one}/keys")
        lent = "v1/projects/-/serviceAccounts/passer-by@acme.iam.gserviceaccount.com:generateAccessToken"
        scope = ["https://www.googleapis.com/auth/cloud-platform"]
        self.go("iamcredentials", "POST", lent, {"scope": scope, "lifetime": "3600s"})
        self.go("iam", "DELETE", one)
        self.go("iam", "POST", f"{base}/{unique}:undelete", {})

    def roles(self) -> None:
        self.go("iam", "GET", "v1/roles?pageSize=3&view=FULL")
        self.go("iam", "GET", "v1/roles/composer.worker")
        self.go(
            "iam",
            "POST",
            "v1/permissions:queryTestablePermissions",
            {"fullResourceName": "//cloudresourcemanager.googleapis.com/projects/acme", "pageSize": 5},
        )
        base = f"v1/{P}/roles"
        role = {"title": "R", "includedPermissions": ["storage.buckets.get"]}
        self.go("iam", "POST", base, {"roleId": "reader", "role": role})
        self.go("iam", "GET", base)
        self.go("iam", "GET", f"{base}/reader")
        self.go("iam", "PATCH", f"{base}/reader?updateMask=title", {"title": "S"})
        self.go("iam", "DELETE", f"{base}/reader")
        self.go("iam", "POST", f"{base}/reader:undelete", {})

    def deny_policies(self) -> None:
        base = "v2/policies/cloudresourcemanager.googleapis.com%2Fprojects%2Facme/denypolicies"
        rule = {"denyRule": {"deniedPrincipals": ["principalSet://goog/public:all"], "deniedPermissions": ["x/y.z"]}}
        operation = self.end("iam", "POST", f"{base}?policyId=no", {"displayName": "no", "rules": [rule]})
        name = operation["name"].rpartition("/")[2]
        self.go("iam", "GET", f"{base}/no/operations/{name}")
        self.go("iam", "GET", base)
        self.go("iam", "GET", f"{base}/no")
        self.end("iam", "DELETE", f"{base}/no")

    def storage(self) -> None:
        host, base = "storage", "storage/v1/b"
        self.go(host, "POST", f"{base}?project=acme", {"name": "acme-files", "location": "EU"})
        self.go(host, "GET", f"{base}?project=acme")
        self.go(host, "GET", f"{base}/acme-files?projection=full")
        self.go(host, "PATCH", f"{base}/acme-files", {"labels": {"a": "b"}})
        self.go(host, "PUT", f"{base}/acme-files", {"labels": {"a": "c"}})
        policy = self.go(host, "GET", f"{base}/acme-files/iam?optionsRequestedPolicyVersion=3")
        self.go(host, "PUT", f"{base}/acme-files/iam", {"bindings": policy["bindings"], "etag": policy["etag"]})
        self.go(host, "GET", f"{base}/acme-files/iam/testPermissions?permissions=storage.buckets.get")
        self.go(host, "GET", f"{base}/acme-files/anywhereCaches")
        self.go(host, "GET", f"storage/v1/{P}/serviceAccount")
        headers = {"Content-Type": "text/plain"}
        upload = "upload/storage/v1/b/acme-files/o?uploadType=media&name=a/b.txt"
        self.go(host, "POST", upload, content=b"hello", headers=headers)
        self.go(host, "GET", f"{base}/acme-files/o?prefix=a/")
        self.go(host, "GET", f"{base}/acme-files/o/a%2Fb.txt")
        self.go(host, "PATCH", f"{base}/acme-files/o/a%2Fb.txt", {"metadata": {"k": "v"}})
        self.go(host, "PUT", f"{base}/acme-files/o/a%2Fb.txt", {"metadata": {"k": "w"}})
        for verb in ("copyTo", "rewriteTo"):
            self.go(host, "POST", f"{base}/acme-files/o/a%2Fb.txt/{verb}/b/acme-files/o/{verb}.txt", {})
        parts = {"sourceObjects": [{"name": "copyTo.txt"}, {"name": "rewriteTo.txt"}]}
        self.go(host, "POST", f"{base}/acme-files/o/whole.txt/compose", parts)
        for path in ("acl", "defaultObjectAcl", "o/a%2Fb.txt/acl"):
            lists = f"{base}/acme-files/{path}"
            self.go(host, "POST", lists, {"entity": "user-ann@example.com", "role": "READER"})
            self.go(host, "GET", lists)
            self.go(host, "GET", f"{lists}/user-ann@example.com")
            self.go(host, "PATCH", f"{lists}/user-ann@example.com", {"role": "OWNER"})
            self.go(host, "PUT", f"{lists}/user-ann@example.com", {"role": "READER"})
            self.go(host, "DELETE", f"{lists}/user-ann@example.com")
        for name in ("copyTo.txt", "rewriteTo.txt", "whole.txt"):
            self.go(host, "DELETE", f"{base}/acme-files/o/{name}")
        address = "https://storage.googleapis.com/download/storage/v1/b/acme-files/o/a%2Fb.txt?alt=media"
        assert self.client.call("GET", address).body == b"hello"
        self.go(host, "DELETE", f"{base}/acme-files/o/a%2Fb.txt")
        self.go(host, "DELETE", f"{base}/acme-files")

    def kms(self) -> None:
        host, rings = "cloudkms", f"v1/{L}/keyRings"
        self.go(host, "POST", f"{rings}?keyRingId=ring")
        self.go(host, "GET", rings)
        self.go(host, "GET", f"{rings}/ring")
        keys = f"{rings}/ring/cryptoKeys"
        self.go(host, "POST", f"{keys}?cryptoKeyId=key", {"purpose": "ENCRYPT_DECRYPT", "labels": {"a": "b"}})
        self.go(host, "GET", keys)
        self.go(host, "GET", f"{keys}/key")
        self.go(host, "PATCH", f"{keys}/key?updateMask=labels", {"labels": {"a": "c"}})
        versions = f"{keys}/key/cryptoKeyVersions"
        self.go(host, "POST", versions, {})
        self.go(host, "GET", versions)
        self.go(host, "POST", f"{keys}/key:updatePrimaryVersion", {"cryptoKeyVersionId": "2"})
        self.go(host, "PATCH", f"{versions}/1?updateMask=state", {"state": "DISABLED"})
        content = base64.b64encode(b"hunter2").decode()
        sealed = self.go(host, "POST", f"{keys}/key:encrypt", {"plaintext": content})["ciphertext"]
        assert self.go(host, "POST", f"{keys}/key:decrypt", {"ciphertext": sealed})["plaintext"] == content
        self.go(host, "POST", f"{versions}/1:destroy", {})
        self.go(host, "POST", f"{versions}/1:restore", {})
        self.go(host, "GET", f"{versions}/1")
        self.policies(host, f"{rings}/ring", "roles/cloudkms.viewer")
        self.policies(host, f"{keys}/key", "roles/cloudkms.cryptoKeyEncrypterDecrypter")

    def secrets(self) -> None:
        host, base = "secretmanager", f"v1/{P}/secrets"
        self.go(host, "POST", f"{base}?secretId=s", {"replication": {"automatic": {}}})
        self.go(host, "GET", base)
        self.go(host, "GET", f"{base}/s")
        self.go(host, "PATCH", f"{base}/s?updateMask=labels", {"labels": {"a": "b"}})
        data = base64.b64encode(b"hunter2").decode()
        self.go(host, "POST", f"{base}/s:addVersion", {"payload": {"data": data}})
        self.go(host, "GET", f"{base}/s/versions")
        self.go(host, "GET", f"{base}/s/versions/1")
        assert self.go(host, "GET", f"{base}/s/versions/latest:access")["payload"]["data"] == data
        for verb in ("disable", "enable", "destroy"):
            self.go(host, "POST", f"{base}/s/versions/1:{verb}", {})
        self.policies(host, f"{base}/s", "roles/secretmanager.secretAccessor")
        self.go(host, "DELETE", f"{base}/s")

    def repositories(self) -> None:
        host, base = "artifactregistry", f"v1/{L}/repositories"
        operation = self.end(host, "POST", f"{base}?repositoryId=py", {"format": "PYTHON"})
        self.go(host, "GET", f"v1/{operation['name']}")
        self.go(host, "GET", base)
        self.go(host, "GET", f"{base}/py")
        self.go(host, "GET", f"{base}/py/packages")
        self.go(host, "PATCH", f"{base}/py?updateMask=description", {"description": "d"})
        self.policies(host, f"{base}/py", "roles/artifactregistry.reader")
        self.end(host, "DELETE", f"{base}/py")

    def compute(self) -> None:
        host, root = "compute", f"compute/v1/{P}"
        network = f"{P}/global/networks/n"
        region = f"{root}/regions/europe-west1"
        self.end(host, "POST", f"{root}/global/networks", {"name": "n", "autoCreateSubnetworks": False})
        subnetwork = {"name": "s", "network": network, "ipCidrRange": "10.0.0.0/20"}
        self.end(host, "POST", f"{region}/subnetworks", subnetwork)
        self.end(host, "POST", f"{region}/routers", {"name": "r", "network": network})
        rule = {"name": "f", "network": network, "allowed": [{"IPProtocol": "tcp", "ports": ["443"]}]}
        self.end(host, "POST", f"{root}/global/firewalls", rule)
        self.end(host, "POST", f"{region}/addresses", {"name": "a"})
        self.end(host, "POST", f"{root}/global/addresses", {"name": "g"})
        attachment = {"name": "t", "subnetworks": [f"{P}/regions/europe-west1/subnetworks/s"]}
        self.end(host, "POST", f"{region}/networkAttachments", attachment)
        paths = {
            f"{root}/global/networks": "n",
            f"{region}/subnetworks": "s",
            f"{region}/routers": "r",
            f"{root}/global/firewalls": "f",
            f"{region}/addresses": "a",
            f"{root}/global/addresses": "g",
            f"{region}/networkAttachments": "t",
        }
        for path, name in paths.items():
            self.go(host, "GET", path)
            if "/regions/" in path:
                scoped = self.go(host, "GET", f"{root}/aggregated/{path.rpartition('/')[2]}")["items"]
                assert scoped["regions/europe-west1"].popitem()[1][0]["name"] == name
            self.go(host, "GET", f"{path}/{name}")
            if not path.endswith("addresses"):
                self.end(host, "PATCH", f"{path}/{name}", {"description": "d"})
        self.end(host, "PUT", f"{region}/routers/r", {"name": "r", "network": network})
        self.end(host, "PUT", f"{root}/global/firewalls/f", rule)
        self.end(host, "POST", f"{region}/subnetworks/s/setPrivateIpGoogleAccess", {"privateIpGoogleAccess": True})
        last = self.end(host, "POST", f"{region}/subnetworks/s/expandIpCidrRange", {"ipCidrRange": "10.0.0.0/19"})
        self.go(host, "GET", f"{region}/operations/{last['name']}")
        self.go(host, "POST", f"{region}/operations/{last['name']}/wait")
        self.go(host, "GET", f"{region}/operations")
        for path in (f"{region}/subnetworks/s", f"{region}/networkAttachments/t"):
            self.go(host, "GET", f"{path}/getIamPolicy")
            self.go(host, "POST", f"{path}/setIamPolicy", binding("roles/compute.networkUser"))
            self.go(host, "POST", f"{path}/testIamPermissions", PERMISSIONS)
        for path, name in reversed(paths.items()):
            last = self.end(host, "DELETE", f"{path}/{name}")
        self.go(host, "GET", f"{root}/global/operations/{last['name']}")
        self.go(host, "POST", f"{root}/global/operations/{last['name']}/wait")
        self.go(host, "GET", f"{root}/global/operations")
        self.go(host, "GET", f"{root}/aggregated/operations")
        self.go(host, "GET", f"{root}/regions/europe-west1")
        self.go(host, "GET", f"{root}/regions")
        self.go(host, "GET", f"{root}/zones/europe-west1-b")
        self.go(host, "GET", f"{root}/zones?maxResults=3")
        self.end(host, "POST", f"{root}/enableXpnHost")
        guest = {"xpnResource": {"id": "guest", "type": "PROJECT"}}
        self.end(host, "POST", f"{root}/enableXpnResource", guest)
        self.go(host, "GET", root)
        self.go(host, "GET", f"{root}/getXpnResources")
        assert self.go(host, "GET", "compute/v1/projects/guest/getXpnHost")["name"] == "acme"
        self.end(host, "POST", f"{root}/disableXpnResource", guest)
        self.end(host, "POST", f"{root}/disableXpnHost")

    def clusters(self) -> None:
        host = "container"
        for version in ("v1", "v1beta1"):
            base = f"{version}/{L}/clusters"
            operation = self.end(host, "POST", base, {"cluster": {"name": "c", "initialNodeCount": 1}})
            self.go(host, "GET", f"{version}/{L}/operations/{operation['name']}")
            self.go(host, "GET", f"{version}/{L}/operations")
            self.go(host, "GET", base)
            cluster = self.go(host, "GET", f"{base}/c")
            self.end(host, "PUT", f"{base}/c", {"update": {"desiredReleaseChannel": {"channel": "STABLE"}}})
            labels = {"resourceLabels": {"a": "b"}, "labelFingerprint": cluster["labelFingerprint"]}
            self.end(host, "POST", f"{base}/c:setResourceLabels", labels)
            window = {"window": {"dailyMaintenanceWindow": {"startTime": "03:00"}}}
            self.end(host, "POST", f"{base}/c:setMaintenancePolicy", {"maintenancePolicy": window})
            pools = f"{base}/c/nodePools"
            self.end(host, "POST", pools, {"nodePool": {"name": "p", "initialNodeCount": 1}})
            self.go(host, "GET", pools)
            pool = self.go(host, "GET", f"{pools}/p")
            group = pool["instanceGroupUrls"][0].partition("/compute/v1/")[2]
            listed = self.go("compute", "GET", f"compute/v1/{group.rpartition('/')[0]}")
            assert group in [one["selfLink"].partition("/compute/v1/")[2] for one in listed["items"]]
            assert self.go("compute", "GET", f"compute/v1/{group}")["targetSize"] == 1
            everywhere = self.go("compute", "GET", f"compute/v1/{P}/aggregated/instanceGroupManagers")["items"]
            assert len([scope for scope in everywhere.values() if "warning" not in scope]) == 3
            self.end(host, "PUT", f"{pools}/p", {"machineType": "e2-standard-8"})
            self.end(host, "POST", f"{pools}/p:setSize", {"nodeCount": 2})
            self.end(host, "POST", f"{pools}/p:setAutoscaling", {"autoscaling": {"enabled": True, "maxNodeCount": 3}})
            self.end(host, "POST", f"{pools}/p:setManagement", {"management": {"autoRepair": True}})
            self.end(host, "DELETE", f"{pools}/p")
            self.end(host, "DELETE", f"{base}/c")

    def logging(self) -> None:
        host, buckets = "logging", f"v2/{P}/locations/global/buckets"
        self.go(host, "GET", buckets)
        self.go(host, "GET", f"{buckets}/_Default")
        self.go(host, "PATCH", f"{buckets}/_Default?updateMask=retentionDays", {"retentionDays": 90})
        self.go(host, "POST", f"{buckets}?bucketId=mine", {"retentionDays": 10})
        self.go(host, "DELETE", f"{buckets}/mine")
        sinks = f"v2/{P}/sinks"
        sink = {"name": "s", "destination": "storage.googleapis.com/x", "filter": "severity>=ERROR"}
        self.go(host, "POST", sinks, sink)
        self.go(host, "GET", sinks)
        self.go(host, "GET", f"{sinks}/s")
        self.go(host, "PATCH", f"{sinks}/s?updateMask=filter", {"filter": "severity>=INFO"})
        self.go(host, "PUT", f"{sinks}/s", sink)
        self.go(host, "DELETE", f"{sinks}/s")

    def monitoring(self) -> None:
        host = "monitoring"
        channel = {"type": "email", "displayName": "team", "labels": {"email_address": "team@example.com"}}
        name = self.go(host, "POST", f"v3/{P}/notificationChannels", channel)["name"]
        self.go(host, "GET", f"v3/{P}/notificationChannels")
        self.go(host, "GET", f"v3/{name}")
        self.go(host, "PATCH", f"v3/{name}?updateMask=displayName", {"displayName": "other"})
        condition = {"displayName": "c", "conditionThreshold": {"filter": "x", "comparison": "COMPARISON_GT"}}
        policy = {"displayName": "p", "combiner": "OR", "conditions": [condition], "notificationChannels": [name]}
        made = self.go(host, "POST", f"v3/{P}/alertPolicies", policy)["name"]
        self.go(host, "GET", f"v3/{P}/alertPolicies")
        self.go(host, "GET", f"v3/{made}")
        self.go(host, "PATCH", f"v3/{made}?updateMask=displayName", {"displayName": "q"})
        self.go(host, "DELETE", f"v3/{made}")
        self.go(host, "DELETE", f"v3/{name}")

    def org_policies(self) -> None:
        self.go("orgpolicy", "GET", f"v2/{P}/policies/compute.restrictVpcPeering:getEffectivePolicy")
        self.go("orgpolicy", "GET", f"v2/{P}/policies")
        self.go("orgpolicy", "GET", "v2/folders/1/policies")
        self.go("orgpolicy", "GET", "v2/organizations/9/policies")
        self.go("orgpolicy", "GET", "v2/organizations/9/customConstraints")

    def bigquery(self) -> None:
        found = self.go("bigquery", "GET", f"bigquery/v2/{P}/serviceAccount")
        assert found["email"].endswith("@bigquery-encryption.iam.gserviceaccount.com")

    def billing(self) -> None:
        info = f"v1/{P}/billingInfo"
        assert self.go("cloudbilling", "GET", info)["billingEnabled"]
        self.go("cloudbilling", "PUT", info, {"billingAccountName": "billingAccounts/01ABCD-23EF45-6789AB"})

    def composer(self) -> None:
        host = "composer"
        for version in ("v1", "v1beta1"):
            base = f"{version}/{PARENT}/environments"
            config = {"nodeConfig": {"serviceAccount": "runner@acme.iam.gserviceaccount.com"}}
            config["resilienceMode"] = "HIGH_RESILIENCE"  # type: ignore[assignment]
            body = {"name": f"{PARENT}/environments/{version}", "config": config}
            operation = self.end(host, "POST", base, body)
            one = f"{base}/{version}"
            self.go(host, "GET", base)
            self.go(host, "GET", one)
            self.go(host, "GET", f"{version}/{PARENT}/imageVersions?includePastReleases=true")
            self.go(host, "GET", f"{version}/{operation['name']}")
            self.go(host, "GET", f"{version}/{PARENT}/operations")
            self.go(host, "DELETE", f"{version}/{operation['name']}")
            self.end(host, "PATCH", f"{one}?updateMask=labels", {"labels": {"a": "b"}})
            run = self.go(
                host,
                "POST",
                f"{one}:executeAirflowCommand",
                {"command": "variables", "subcommand": "set", "parameters": ["k", "v"]},
            )
            assert self.go(host, "POST", f"{one}:pollAirflowCommand", {**run, "nextLineNumber": 1})["outputEnd"]
            self.go(host, "POST", f"{one}:stopAirflowCommand", run)
            saved = self.end(host, "POST", f"{one}:saveSnapshot", {})
            done = self.go(host, "GET", f"{version}/{saved['name']}")
            path = done["response"]["snapshotPath"]
            self.end(host, "POST", f"{one}:loadSnapshot", {"snapshotPath": path})
            checked = self.end(host, "POST", f"{one}:checkUpgrade", {"imageVersion": "composer-3-airflow-3"})
            self.go(host, "GET", f"{version}/{checked['name']}")
            self.end(host, "POST", f"{one}:databaseFailover", {})
            self.go(host, "GET", f"{one}:fetchDatabaseProperties")
            self.go(host, "GET", f"{one}/workloads")
            self.database_size(version)
            for collection in ("userWorkloadsSecrets", "userWorkloadsConfigMaps"):
                value = base64.b64encode(b"v").decode()
                item = {"name": f"{PARENT}/environments/{version}/{collection}/x", "data": {"k": value}}
                self.go(host, "POST", f"{one}/{collection}", item)
                self.go(host, "GET", f"{one}/{collection}")
                self.go(host, "GET", f"{one}/{collection}/x")
                self.go(host, "PUT", f"{one}/{collection}/x", item)
                self.go(host, "DELETE", f"{one}/{collection}/x")
            self.end(host, "DELETE", one)

    def database_size(self, environment: str) -> None:
        metric = "composer.googleapis.com/environment/database/disk/bytes_used"
        chosen = f'metric.type="{metric}" AND resource.labels.environment_name="{environment}"'
        query = {
            "filter": chosen,
            "interval.startTime": "2026-08-20T10:00:30Z",
            "interval.endTime": "2026-08-20T10:03:30Z",
        }
        answer = self.go("monitoring", "GET", f"v3/{P}/timeSeries?{urlencode(query)}")
        assert len(answer["timeSeries"][0]["points"]) == 3


def toured(tour: Tour) -> None:
    """All methods of all services, in a project below a folder of an organization."""
    parent = {"type": "folder", "id": "11"}
    containers = {
        "folders/11": {"displayName": "teams", "parent": {"type": "organization", "id": "22"}},
        "organizations/22": {"displayName": "example.com"},
    }
    projects = [
        {"id": "acme", "apis": "all", "parent": parent, "labels": {"team": "data"}},
        {"id": "guest", "apis": "all"},
    ]
    control.seed(tour.client.cloud, {"containers": containers, "projects": projects})
    tour.service_usage()
    tour.resource_manager()
    tour.accounts()
    tour.roles()
    tour.deny_policies()
    tour.storage()
    tour.kms()
    tour.secrets()
    tour.repositories()
    tour.compute()
    tour.clusters()
    tour.logging()
    tour.monitoring()
    tour.org_policies()
    tour.bigquery()
    tour.billing()
    tour.composer()


def test_every_implemented_method_is_called_with_success(cloud: Cloud) -> None:
    toured(Tour(cloud))
    answered = {entry["method"] for entry in cloud.requests if entry["status"] < 300}
    declared = {route.method for service in cloud.router.services for route in service.routes}
    assert declared - answered == set()
