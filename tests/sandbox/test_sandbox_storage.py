"""Cloud Storage where tools lean on it: pages, listings, versions, preconditions, copies, access lists."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from sandbox_client import Client

BASE = "https://storage.googleapis.com/storage/v1/b"
ONE = f"{BASE}/acme-one"
TEXT = {"Content-Type": "text/plain"}
UPLOAD = "https://storage.googleapis.com/upload/storage/v1/b/acme-one/o?uploadType=media&name="


@pytest.fixture
def client(client: Client) -> Client:
    client.ok("POST", f"{BASE}?project=acme", {"name": "acme-one", "location": "europe-west1"})
    return client


def put(client: Client, name: str, content: bytes = b"x", query: str = "") -> dict[str, Any]:
    return client.ok("POST", UPLOAD + quote(name, safe="") + query, content=content, headers=TEXT)


def names(client: Client, query: str) -> list[str]:
    listed = client.ok("GET", f"{ONE}/o?{query}")
    return [*listed.get("prefixes", []), *(item["name"] for item in listed.get("items", []))]


def test_buckets_come_in_pages(client: Client) -> None:
    client.ok("POST", f"{BASE}?project=acme", {"name": "acme-two"})
    first = client.ok("GET", f"{BASE}?project=acme&maxResults=1")
    second = client.ok("GET", f"{BASE}?project=acme&maxResults=1&pageToken={first['nextPageToken']}")
    assert [page["items"][0]["name"] for page in (first, second)] == ["acme-one", "acme-two"]
    assert "nextPageToken" not in second


def test_buckets_of_a_region_are_isolated_by_zone(client: Client) -> None:
    assert client.ok("GET", ONE)["satisfiesPZI"] is True
    client.ok("POST", f"{BASE}?project=acme", {"name": "acme-two", "location": "EU"})
    assert "satisfiesPZI" not in client.ok("GET", f"{BASE}/acme-two")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("startOffset=b/", ["b/1.py", "b/c/2.py", "d.txt"]),
        ("endOffset=b/c", ["a.py", "b/1.py"]),
        ("startOffset=b&endOffset=d", ["b/1.py", "b/c/2.py"]),
        ("matchGlob=*.py", ["a.py"]),
        ("matchGlob=**.py", ["a.py", "b/1.py", "b/c/2.py"]),
        ("matchGlob=b/**/2.py", ["b/c/2.py"]),
        ("matchGlob=**/[!1-9].py", ["a.py"]),
        ("matchGlob={a,d}.*", ["a.py", "d.txt"]),
        ("matchGlob=b/?.py", ["b/1.py"]),
        ("delimiter=/", ["b/", "a.py", "d.txt"]),
        ("delimiter=/&prefix=b/", ["b/c/", "b/1.py"]),
    ],
)
def test_listings_select(client: Client, query: str, found: list[str]) -> None:
    for name in ("a.py", "b/1.py", "b/c/2.py", "d.txt"):
        put(client, name)
    assert names(client, quote(query, safe="=&")) == found


def test_a_folder_that_is_an_object_is_shown_as_one_on_request(client: Client) -> None:
    put(client, "b/")
    put(client, "b/1.py")
    assert names(client, "delimiter=/") == ["b/"]
    assert names(client, "delimiter=/&includeTrailingDelimiter=true") == ["b/", "b/"]


def test_a_bucket_with_versions_keeps_what_was_there(client: Client) -> None:
    client.ok("PATCH", ONE, {"versioning": {"enabled": True}})
    old, new = put(client, "a", b"old"), put(client, "a", b"new")
    assert int(old["generation"]) < int(new["generation"])
    assert client.call("GET", f"{ONE}/o/a?alt=media").body == b"new"
    assert client.call("GET", f"{ONE}/o/a?alt=media&generation={old['generation']}").body == b"old"
    assert names(client, "") == ["a"]
    shown = client.ok("GET", f"{ONE}/o?versions=true")["items"]
    assert [(item["generation"], "timeDeleted" in item) for item in shown] == [
        (old["generation"], True),
        (new["generation"], False),
    ]
    client.ok("DELETE", f"{ONE}/o/a")
    client.refused(404, "GET", f"{ONE}/o/a")
    assert len(client.ok("GET", f"{ONE}/o?versions=true")["items"]) == 2
    client.refused(409, "DELETE", ONE)
    for version in (old, new):
        client.ok("DELETE", f"{ONE}/o/a?generation={version['generation']}")
    client.ok("DELETE", ONE)


def test_a_bucket_without_versions_forgets(client: Client) -> None:
    old = put(client, "a", b"old")
    put(client, "a", b"new")
    client.refused(404, "GET", f"{ONE}/o/a?generation={old['generation']}")


def test_preconditions_are_kept(client: Client) -> None:
    made = put(client, "a", query="&ifGenerationMatch=0")
    assert client.call("POST", UPLOAD + "a&ifGenerationMatch=0", content=b"y", headers=TEXT).status == 412
    assert client.call("GET", f"{ONE}/o/a?ifGenerationNotMatch={made['generation']}").status == 304
    assert client.call("GET", f"{ONE}/o/a?ifMetagenerationMatch=2").status == 412
    assert client.call("DELETE", f"{ONE}/o/a?ifGenerationMatch=1").status == 412
    assert client.call("PATCH", f"{ONE}/o/a?ifMetagenerationMatch=1", {"metadata": {"k": "v"}}).status == 200
    assert client.call("PATCH", f"{ONE}/o/a?ifMetagenerationNotMatch=2", {}).status == 412
    assert client.call("GET", f"{ONE}?ifMetagenerationNotMatch=1").status == 304
    assert client.call("PATCH", f"{ONE}?ifMetagenerationMatch=7", {"labels": {}}).status == 412


def test_a_resumable_upload_keeps_to_the_preconditions_of_its_start(client: Client) -> None:
    start = UPLOAD.replace("media", "resumable") + "a&ifGenerationMatch=0"
    place = client.call("POST", start, {}).headers["Location"]
    put(client, "a")
    response = client.cloud.handle(client_request("PUT", place, b"late"))
    assert response.status == 412


def client_request(method: str, url: str, content: bytes) -> Any:
    from envctl.sandbox.messages import Request

    return Request.to(method, url.replace("http://", "https://"), content=content)


def test_metadata_is_merged_by_patch_and_replaced_by_update(client: Client) -> None:
    put(client, "a")
    client.judges_requests = False  # null in a map is not in the documents
    client.ok("PATCH", f"{ONE}/o/a", {"metadata": {"a": "1", "b": "2"}, "cacheControl": "no-store"})
    assert client.ok("PATCH", f"{ONE}/o/a", {"metadata": {"a": None, "c": "3"}})["metadata"] == {"b": "2", "c": "3"}
    replaced = client.ok("PUT", f"{ONE}/o/a", {"metadata": {"d": "4"}, "size": "77"})
    assert replaced["metadata"] == {"d": "4"}
    assert "cacheControl" not in replaced
    assert replaced["size"] == "1"
    assert client.call("PATCH", f"{ONE}/o/a", {"temporaryHold": True}).status == 501


def test_copies_take_content_and_metadata_along(client: Client) -> None:
    client.ok("POST", f"{BASE}?project=acme", {"name": "acme-two"})
    source = put(client, "a", b"content")
    client.ok("PATCH", f"{ONE}/o/a", {"metadata": {"k": "v"}})
    copy = client.ok("POST", f"{ONE}/o/a/copyTo/b/acme-two/o/b%2Fc", {})
    assert (copy["bucket"], copy["name"], copy["metadata"]) == ("acme-two", "b/c", {"k": "v"})
    assert client.call("GET", f"{BASE}/acme-two/o/b%2Fc?alt=media").body == b"content"
    path = f"{ONE}/o/a/rewriteTo/b/acme-two/o/d"
    done = client.ok("POST", f"{path}?ifSourceGenerationMatch={source['generation']}", {"contentType": "text/plain"})
    assert (done["done"], done["objectSize"], done["resource"]["contentType"]) == (True, "7", "text/plain")
    assert "metadata" not in done["resource"]
    assert client.call("POST", f"{path}?ifGenerationMatch=0", {}).status == 412
    assert client.call("POST", f"{path}?ifSourceGenerationMatch=1", {}).status == 412
    assert client.call("POST", f"{ONE}/o/none/copyTo/b/acme-two/o/d", {}).status == 404
    assert client.call("POST", f"{path}?maxBytesRewrittenPerCall=1048576", {}).status == 501


def test_objects_are_composed_in_order(client: Client) -> None:
    put(client, "1", b"one ")
    put(client, "2", b"two")
    body = {"sourceObjects": [{"name": "1"}, {"name": "2"}], "destination": {"contentType": "text/plain"}}
    whole = client.ok("POST", f"{ONE}/o/whole/compose", body)
    assert (whole["componentCount"], whole["size"], whole["contentType"]) == (2, "7", "text/plain")
    assert "md5Hash" not in whole
    assert client.call("GET", f"{ONE}/o/whole?alt=media").body == b"one two"
    client.refused(400, "POST", f"{ONE}/o/whole/compose", {"sourceObjects": []})
    client.ok("POST", f"{ONE}/o/whole/compose", {**body, "deleteSourceObjects": True})
    assert names(client, "") == ["whole"]


def test_access_lists_of_buckets_and_objects(client: Client) -> None:
    put(client, "a")
    teams = [entry["entity"].split("-")[1] for entry in client.ok("GET", f"{ONE}/acl")["items"]]
    assert teams == ["owners", "editors", "viewers"]
    made = client.ok("POST", f"{ONE}/o/a/acl", {"entity": "allUsers", "role": "READER"})
    assert (made["bucket"], made["object"], made["role"]) == ("acme-one", "a", "READER")
    full = client.ok("GET", f"{ONE}/o/a?projection=full")
    assert full["acl"][-1]["entity"] == "allUsers"
    assert "acl" not in client.ok("GET", f"{ONE}/o/a")
    client.ok("DELETE", f"{ONE}/o/a/acl/allUsers")
    client.refused(404, "GET", f"{ONE}/o/a/acl/allUsers")
    client.refused(400, "POST", f"{ONE}/acl", {"entity": "everybody", "role": "READER"})
    client.refused(400, "POST", f"{ONE}/o/a/acl", {"entity": "allUsers", "role": "WRITER"})


def test_predefined_lists_and_lists_of_a_request_are_kept(client: Client) -> None:
    query = "predefinedAcl=publicRead&predefinedDefaultObjectAcl=authenticatedRead&projection=full"
    bucket = client.ok("POST", f"{BASE}?project=acme&{query}", {"name": "acme-two"})
    assert [entry["entity"] for entry in bucket["acl"]][1:] == ["allUsers"]
    assert [entry["entity"] for entry in bucket["defaultObjectAcl"]][1:] == ["allAuthenticatedUsers"]
    changed = client.ok("PATCH", ONE, {"acl": [{"entity": "user-ann@example.com", "role": "OWNER"}]})
    assert [(entry["entity"], entry["email"]) for entry in changed["acl"]] == [
        ("user-ann@example.com", "ann@example.com")
    ]
    client.refused(400, "POST", f"{BASE}?project=acme&predefinedAcl=everybody", {"name": "acme-three"})


def test_uniform_access_switches_lists_off(client: Client) -> None:
    client.ok("PATCH", ONE, {"iamConfiguration": {"uniformBucketLevelAccess": {"enabled": True}}})
    message = client.refused(400, "GET", f"{ONE}/acl")["message"]
    assert message.startswith("Cannot get legacy ACL for a bucket when uniform bucket-level access is enabled.")
