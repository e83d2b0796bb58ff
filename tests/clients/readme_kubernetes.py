"""The README's manifest and the sidecar of deploy/: they satisfy the strict Kubernetes schema, and the pods
meet the restricted security standard. The rest of deploy/ is checked by tests/deploy."""

import pathlib
import subprocess
import sys

import kubernetes_validate
import yaml
from readme import README, block

# Native sidecars are on by default since 1.29; the newest is what the schema package has.
VERSIONS = ("1.29", "1.37")
DEPLOY = README.parent / "deploy" / "kustomize"


def containers(pod):
    return pod.get("initContainers", []) + pod["containers"]


def check_steadfast(pod):
    ours = [c for c in containers(pod) if c["name"] == "steadfast"]
    assert len(ours) == 1, "one container called steadfast"
    context = {**pod.get("securityContext", {}), **ours[0]["securityContext"]}
    assert context["runAsNonRoot"] is True
    assert context["allowPrivilegeEscalation"] is False
    assert context["readOnlyRootFilesystem"] is True
    assert context["capabilities"] == {"drop": ["ALL"]}
    assert context["seccompProfile"] == {"type": "RuntimeDefault"}
    assert {"cpu", "memory"} <= ours[0]["resources"]["requests"].keys()
    assert not ours[0]["image"].endswith(":latest") and ":" in ours[0]["image"]


def check(text, where):
    kinds = []
    for manifest in filter(None, yaml.safe_load_all(text)):
        for version in VERSIONS:
            kubernetes_validate.validate(manifest, version, strict=True)
        kinds.append(manifest["kind"])
        if manifest["kind"] == "Deployment":
            check_steadfast(manifest["spec"]["template"]["spec"])
    assert "Deployment" in kinds, f"{where}: {kinds}"
    return kinds


check(block("kubernetes"), "README.md")
for overlay in ("example-sidecar",):
    folder = DEPLOY / overlay
    if not folder.is_dir():
        sys.exit(f"{folder} is missing")
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True
    )
    check(rendered.stdout, str(pathlib.Path("deploy/kustomize") / overlay))
