#!/usr/bin/env python3
"""The image: the Dockerfile has nothing against it, it builds without a network, is small, says what it
should of itself, and runs as its numeric user on a root that nobody can write to.

Needs dist/steadfast of `make static`, because a binary of a debug build fits in no empty image. It runs
in a network namespace of its own, so that the image's own ports are free; IPv6 is turned off there.
"""

import json
import os
import pathlib
import subprocess
import sys
import tarfile
import tempfile

from kustomize import OF_IMAGE
from manifests import ROOT, run

CANNOT = 77
SIZE_MAX = 15 * 1024 * 1024
BINARY = ROOT / "dist/steadfast"
ARCHIVE = ROOT / "dist/image.tar"
NAME = "steadfast:test"
LABELS = {"title", "description", "version", "licenses"}


def cannot(why):
    print(f"NOT CHECKED: {why}")
    sys.exit(CANNOT)


def unpacked(archive, root):
    """The settings of the image, and its only layers laid out below `root`."""
    with tarfile.open(archive) as tar:
        (manifest,) = json.load(tar.extractfile("manifest.json"))
        for layer in manifest["Layers"]:
            with tarfile.open(fileobj=tar.extractfile(layer)) as files:
                files.extractall(root)
        return manifest, json.load(tar.extractfile(manifest["Config"]))["config"]


def of_config(config):
    expected = {
        "User": "65532:65532",
        "Entrypoint": ["/steadfast"],
        "ExposedPorts": {"6379/tcp": {}, "9379/tcp": {}},
    }
    for key, value in expected.items():
        if config.get(key) != value:
            yield f"{key} is {config.get(key)}"
    variables = dict(variable.split("=", 1) for variable in config["Env"])
    variables.pop("PATH", None)
    if variables != OF_IMAGE:
        yield f"the environment is {variables}"
    labels = {label.removeprefix("org.opencontainers.image.") for label in config["Labels"]}
    if not LABELS <= labels:
        yield f"labels are missing: {LABELS - labels}"
    if config.get("Healthcheck", {}).get("Test") != ["CMD", "/steadfast", "healthcheck"]:
        yield f"the check of health is {config.get('Healthcheck')}"


def running(root, config):
    """Starts what the image starts, as its user, where only root could write and nobody may."""
    inside = pathlib.Path(__file__).with_name("image_inside.py")
    given = {"root": str(root), "user": config["User"], "env": config["Env"],
             "command": config["Entrypoint"], "health": config["Healthcheck"]["Test"][1:]}
    command = ["unshare", "--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc",
               sys.executable]
    done = subprocess.run([*command, str(inside), json.dumps(given)], capture_output=True, text=True,
                          timeout=180)
    if done.returncode:
        yield done.stdout + done.stderr


def main():
    run(["hadolint", "Dockerfile"], cwd=ROOT)
    run(["shellcheck", "deploy/image.sh", "tests/deploy/run.sh", "tests/setup.sh"], cwd=ROOT)
    if not BINARY.exists():
        cannot("the image: there is no dist/steadfast (make static); the Dockerfile is clean")
    if subprocess.run(["which", "buildah"], capture_output=True).returncode:
        cannot("the image: there is no buildah; the Dockerfile is clean")
    run(["deploy/image.sh", NAME, str(BINARY)], cwd=ROOT)
    with tempfile.TemporaryDirectory() as folder:
        root = pathlib.Path(folder)
        root.chmod(0o755)
        manifest, config = unpacked(ARCHIVE, root)
        files = [path for path in root.rglob("*") if path.is_file()]
        size = sum(path.stat().st_size for path in files)
        found = list(of_config(config))
        if [str(path.relative_to(root)) for path in files] != ["steadfast"]:
            found.append(f"in the image there is {files}")
        if size > SIZE_MAX or ARCHIVE.stat().st_size > SIZE_MAX:
            found.append(f"the image has {size} bytes")
        if not {NAME, f"docker.io/library/{NAME}"} & set(manifest["RepoTags"]):
            found.append(f"it is called {manifest['RepoTags']}")
        if os.geteuid() == 0:
            found += running(root, config)
        else:
            print("NOT CHECKED: that the image runs, which takes root")
    if found:
        sys.exit("\n".join(found))
    print(f"{size} bytes")


if __name__ == "__main__":
    main()
