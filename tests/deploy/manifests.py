"""Renders the kustomizations below deploy/, and finds its way about in what comes out.

It judges nothing: rules.py and settings.py do.
"""

import functools
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import kubernetes_validate
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
KUSTOMIZE = ROOT / "deploy" / "kustomize"
# The manifests use nothing older; the newest is what the schema package has.
VERSIONS = ("1.32", "1.33", "1.34", "1.35", "1.36", "1.37")
WORKLOADS = ("Deployment", "StatefulSet", "DaemonSet", "Job")
OPERATOR = "monitoring.coreos.com/v1"
CRDS = ROOT / "target/tools/crds/node_modules/@kubernetes-models/prometheus-operator"


def load(text):
    return [manifest for manifest in yaml.safe_load_all(text) if manifest]


def run(command, **options):
    """What a command prints; ends the check where it fails."""
    done = subprocess.run(command, capture_output=True, text=True, **options)
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def render(folder):
    """The manifests of a folder with a kustomization."""
    return load(run(["kubectl", "kustomize", str(folder)]))


def combine(overlay, components=(), resources=(), **more):
    """The manifests of a kustomization of `overlay`, or else of `resources`, with `components`."""
    (ROOT / "target").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=ROOT / "target", prefix="kustomization-") as folder:

        def relative(name):
            return os.path.relpath(KUSTOMIZE / name, folder)

        (pathlib.Path(folder) / "given.yaml").write_text(yaml.safe_dump_all(resources))
        kustomization = {
            "resources": [relative(overlay)] if overlay else ["given.yaml"],
            "components": [relative(f"components/{name}") for name in components],
            "transformers": [relative(name) for name in more.pop("transformers", ())],
            **more,
        }
        (pathlib.Path(folder) / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return render(folder)


def name(manifest):
    return f"{manifest['kind']} {manifest['metadata']['name']}"


def workloads(manifests):
    return [manifest for manifest in manifests if manifest["kind"] in WORKLOADS]


def pod(workload):
    return workload["spec"]["template"]["spec"]


def pod_labels(workload):
    return workload["spec"]["template"]["metadata"].get("labels", {})


def containers(workload):
    return pod(workload).get("initContainers", []) + pod(workload)["containers"]


def steadfast(workload):
    """The container of Steadfast, wherever it stands."""
    ours = [container for container in containers(workload) if container["name"] == "steadfast"]
    assert len(ours) == 1, f"{name(workload)}: {len(ours)} containers called steadfast"
    return ours[0]


def invalid(manifests):
    """What the schemas have against the manifests, strictly: what they do not know is an error."""
    return [fault for manifest in manifests for fault in faults(json.dumps(manifest))]


@functools.cache  # the same ones come in many combinations
def faults(text):
    manifest = json.loads(text)
    if manifest["apiVersion"] == OPERATOR:
        script = str(pathlib.Path(__file__).with_name("crds.mjs"))
        return json.loads(run(["node", script, str(CRDS)], input=json.dumps([manifest])))
    found = []
    for version in VERSIONS:
        try:
            kubernetes_validate.validate(manifest, version, strict=True)
        except kubernetes_validate.ValidationError as error:
            found.append(f"{name(manifest)}, Kubernetes {version}: {error.message}")
    return found
