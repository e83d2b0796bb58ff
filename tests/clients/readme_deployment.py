"""The README's Deployment: what its commands build, push and apply fits together and satisfies the strict
Kubernetes schema, and the container it applies serves and passes its probes, with these very variables.

There is no cluster and no registry: stand-ins take down what would go there. kubectl itself renders.
"""

import os
import shutil
import subprocess

import kubernetes_validate
import yaml
from readme import README, block
from started import LIMIT, in_pod, stand_ins, without_make

VERSIONS = ("1.32", "1.37")
DOCKER = 'echo "docker $*" >>"$told"'
# Whatever goes to a cluster is kept, one document after the other.
KUBECTL = """
case $1 in
kustomize) exec {kubectl} "$@" ;;
create) out=$({kubectl} "$@" --dry-run=client --output yaml) || exit 1 ;;
apply) [ "$*" = "apply -f -" ] && out=$(cat) || exit 1 ;;
*) exit 1 ;;
esac
printf -- '---\\n%s\\n' "$out" >>"$told.yaml"
"""


def run_block():
    """What docker was told, and every manifest that went to the cluster."""
    kubectl = KUBECTL.format(kubectl=shutil.which("kubectl"))
    with stand_ins(docker=DOCKER, kubectl=kubectl) as programs:
        done = subprocess.run(
            ["bash", "-ec", "set -o pipefail\n" + block("deployment")], cwd=README.parent,
            env=without_make() | {"PATH": f"{programs}:{os.environ['PATH']}"},
            capture_output=True, text=True, timeout=LIMIT,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        told = (programs / "told").read_text()
        manifests = list(filter(None, yaml.safe_load_all((programs / "told.yaml").read_text())))
    return told, manifests


def only(manifests, kind):
    """The one manifest of that kind."""
    found = [manifest for manifest in manifests if manifest["kind"] == kind]
    assert len(found) == 1, f"{len(found)} of {kind}"
    return found[0]


def main():
    told, manifests = run_block()
    for manifest in manifests:
        for version in VERSIONS:
            kubernetes_validate.validate(manifest, version, strict=True)
    pod = only(manifests, "Deployment")["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    image = container["image"]
    builds = [line for line in told.splitlines() if line.startswith("docker build ")]
    assert len(builds) == 1 and f"--tag {image} " in builds[0], told
    assert f"docker push {image}" in told.splitlines(), told
    with in_pod(container, only(manifests, "ConfigMap")) as steadfast:
        steadfast.serves()
        steadfast.passes_all(container)
    (port,) = only(manifests, "Service")["spec"]["ports"]
    assert (port["port"], port["targetPort"]) == (6379, container["ports"][0]["name"]), port


if __name__ == "__main__":
    main()
