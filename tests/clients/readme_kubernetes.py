"""The README's manifest and the sidecar of deploy/: they satisfy the strict Kubernetes schema, and the pods
meet the restricted security standard. With the variables of the README's the program serves and passes the
probes. The rest of deploy/ is checked by tests/deploy."""

import pathlib
import subprocess
import sys

import kubernetes_validate
import yaml
from readme import README, block
from started import in_pod

# Native sidecars are on by default since 1.29; the newest is what the schema package has.
VERSIONS = ("1.29", "1.37")
DEPLOY = README.parent / "deploy" / "kustomize"
# What the README says of it.
CONFIG_MAP = {
    "metadata": {"name": "valkey-sentinel"},
    "data": {"VALKEY_SENTINEL_HOST": "valkey-sentinel", "VALKEY_SENTINEL_PORT": "26379"},
}


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


def check_run(text):
    """The sidecar comes up, for its own pod alone."""
    (deployment,) = yaml.safe_load_all(text)
    (sidecar,) = deployment["spec"]["template"]["spec"]["initContainers"]
    assert sidecar["restartPolicy"] == "Always"
    (listen,) = [one["value"] for one in sidecar["env"] if one["name"] == "STEADFAST_LISTEN"]
    assert listen.startswith("127.0.0.1:"), listen
    with in_pod(sidecar, CONFIG_MAP) as steadfast:
        steadfast.serves()
        steadfast.passes_all(sidecar)


check(block("kubernetes"), "README.md")
check_run(block("kubernetes"))
for overlay in ("example-sidecar", "example-sidecar-socket"):
    folder = DEPLOY / overlay
    if not folder.is_dir():
        sys.exit(f"{folder} is missing")
    rendered = subprocess.run(
        ["kubectl", "kustomize", str(folder)], capture_output=True, text=True, check=True
    )
    check(rendered.stdout, str(pathlib.Path("deploy/kustomize") / overlay))
