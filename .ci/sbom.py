"""Writes what a release consists of as CycloneDX 1.5 JSON, and checks it against the schema.

    sbom.py COMMIT HOST BINARY

Listed are all crates that are compiled for HOST, by the locked versions and checksums, and what else
a static binary has in it: Rust's standard library and the C library. What only runs while building
(procedural macros, build scripts and what they need) has the scope "excluded". The same commit, the
same tools and the same binary give the same text: nothing is random, the time is SOURCE_DATE_EPOCH.

cargo-cyclonedx does much of this, but takes minutes to compile and knows of no C library.
"""

import datetime
import hashlib
import json
import os
import pathlib
import subprocess
import sys
import tomllib
import uuid

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

LICENSE_OF_STD = "MIT OR Apache-2.0"
LICENSE_OF_GLIBC = "LGPL-2.1-or-later"


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def runs_at_build(package):
    return any("proc-macro" in target["kind"] for target in package["targets"])


def reach(graph, packages, start):
    """What is linked into the binary, and what is needed besides to build it."""
    linked, built, todo = set(), set(), [(start, True)]
    while todo:
        name, is_linked = todo.pop()
        seen = linked if is_linked else built
        if name in seen:
            continue
        seen.add(name)
        for dep in graph[name]["deps"]:
            kinds = {kind["kind"] for kind in dep["dep_kinds"]}
            if None in kinds:
                todo.append((dep["pkg"], is_linked and not runs_at_build(packages[dep["pkg"]])))
            if "build" in kinds:
                todo.append((dep["pkg"], False))
    return linked, built - linked


def purl(package):
    return f"pkg:cargo/{package['name']}@{package['version']}"


def licenses(text):
    # The old way to write OR.
    return [{"expression": text.replace("/", " OR ")}]


def component(package, checksums, scope):
    found = {
        "type": "library",
        "bom-ref": purl(package),
        "name": package["name"],
        "version": package["version"],
        "scope": scope,
        "hashes": [{"alg": "SHA-256", "content": checksums[package["name"], package["version"]]}],
        "licenses": licenses(package["license"]),
        "purl": purl(package),
    }
    if package["repository"]:
        found["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return found


def besides(host):
    """Libraries that no lock file names."""
    rust = output("rustc", "--version").split()[1]
    yield library("rust-std", rust, LICENSE_OF_STD)
    if host.endswith("-gnu"):
        yield library("glibc", output("getconf", "GNU_LIBC_VERSION").split()[1], LICENSE_OF_GLIBC)


def library(name, version, license):
    ref = f"pkg:generic/{name}@{version}"
    return {
        "type": "library",
        "bom-ref": ref,
        "name": name,
        "version": version,
        "scope": "required",
        "licenses": licenses(license),
        "purl": ref,
    }


def document(commit, host, binary):
    metadata = json.loads(
        output("cargo", "metadata", "--format-version=1", "--locked", f"--filter-platform={host}")
    )
    packages = {package["id"]: package for package in metadata["packages"]}
    graph = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    linked, built = reach(graph, packages, root)
    lock = tomllib.loads(pathlib.Path("Cargo.lock").read_text())
    checksums = {(p["name"], p["version"]): p.get("checksum") for p in lock["package"]}
    crates = [component(packages[name], checksums, "required") for name in linked - {root}]
    crates += [component(packages[name], checksums, "excluded") for name in built]
    others = list(besides(host))
    used = linked | built

    def dependencies(name):
        of = {dep["pkg"] for dep in graph[name]["deps"]
              if any(kind["kind"] != "dev" for kind in dep["dep_kinds"])}
        refs = {purl(packages[dep]) for dep in of & used}
        if name == root:
            refs |= {other["bom-ref"] for other in others}
        return {"ref": purl(packages[name]), "dependsOn": sorted(refs)}

    digest = hashlib.sha256(pathlib.Path(binary).read_bytes()).hexdigest()
    when = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.UTC)
    tools = {
        "commit": commit,
        "rustc": output("rustc", "--version"),
        "cc": output("cc", "--version").splitlines()[0],
        "host": host,
    }
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.5",
        "serialNumber": f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_OID, digest)}",
        "version": 1,
        "metadata": {
            "timestamp": when.isoformat().replace("+00:00", "Z"),
            "component": {
                "type": "application",
                "bom-ref": purl(packages[root]),
                "name": packages[root]["name"],
                "version": packages[root]["version"],
                "hashes": [{"alg": "SHA-256", "content": digest}],
                "licenses": licenses(packages[root]["license"]),
                "purl": purl(packages[root]),
            },
            "properties": [
                {"name": f"steadfast:build:{name}", "value": value} for name, value in tools.items()
            ],
        },
        "components": sorted(crates + others, key=lambda found: found["bom-ref"]),
        "dependencies": sorted(map(dependencies, used), key=lambda found: found["ref"]),
    }


def main():
    commit, host, binary = sys.argv[1:]
    text = json.dumps(document(commit, host, binary), indent=2)
    fault = JsonStrictValidator(SchemaVersion.V1_5).validate_str(text)
    if fault is not None:
        sys.exit(f"sbom: the schema forbids this: {fault}")
    print(text)


main()
