#!/usr/bin/env python3
"""The Helm chart is in order, and renders what the kustomizations do; what its schema of values must
refuse it refuses.
"""

import copy
import json
import subprocess
import sys

import rules
import settings
from kustomize import variables
from manifests import ROOT, combine, invalid, load, name, pod_labels, run, steadfast, workloads

CHART = str(ROOT / "deploy/helm/steadfast")
OF_HELM = ("helm.sh/chart", "app.kubernetes.io/managed-by")
PARTS = {
    "autoscaling": "autoscaling.enabled=true",
    "networkpolicy": "networkPolicy.enabled=true",
    "monitoring": "monitoring.enabled=true,monitoring.podMonitor=true,monitoring.alerts=true",
}
# By default of what `monitoring.enabled` alone adds there is no more than this.
MONITORED = {"Service steadfast-metrics", "ServiceMonitor steadfast"}
REFUSED = (
    "image.tag=latest", "replicas=0", "env.PASSWORD=x", "service.trafficDistribution=Nearest",
    "nosuchvalue=1", "resources.requests=null", "image.digest=sha256:1", "drain.delaySeconds=soon",
    "monitoring.alerts=some", "monitoring.podMonitor=1",
)


def template(*values, release="steadfast"):
    sets = [word for value in values for word in ("--set", value)]
    return load(run(["helm", "template", release, CHART, *sets]))


def plain(manifests):
    """Without what Helm adds of itself, by kind and name."""
    found = {}
    for manifest in copy.deepcopy(manifests):
        for label in OF_HELM:
            manifest["metadata"]["labels"].pop(label, None)
        found[name(manifest)] = manifest
    return found


def differing(chart, kustomization):
    ours, theirs = plain(chart), plain(kustomization)
    for which in sorted(ours.keys() | theirs.keys()):
        if ours.get(which) != theirs.get(which):
            yield f"{which} differs\n{json.dumps(ours.get(which))}\n{json.dumps(theirs.get(which))}"


def compared():
    yield from differing(template(), combine("overlays/deployment"))
    for part, value in PARTS.items():
        yield from differing(template(value), combine("overlays/deployment", [part]))
    yield from differing(template(*PARTS.values()), combine("overlays/deployment", list(PARTS)))


def off_by_default():
    """The operator's further objects come only where they are asked for."""
    added = plain(template("monitoring.enabled=true")).keys() - plain(template()).keys()
    if added != MONITORED:
        yield f"monitoring.enabled adds {sorted(added)}"
    alone = plain(template("monitoring.alerts=true", "monitoring.podMonitor=true")).keys()
    if alone != plain(template()).keys():
        yield f"without monitoring.enabled there are {sorted(alone)}"


def adapted():
    """With other values the result is valid still, and says what was asked for."""
    access = r"podLabels.elastisys\.io/valkey-my-cluster-access=allow"
    given = template(
        *PARTS.values(), access, "env.STEADFAST_PRIMARY_NAME=main", "image.repository=steadfast",
        "image.tag=dev", "drain.timeoutSeconds=60", "nodeSelector.disk=fast", release="cache",
    )
    yield from invalid(given)
    yield from (fault for workload in workloads(given) for fault in rules.of_pods(workload))
    yield from rules.of_sets(given)
    yield from rules.of_platform(given)
    (workload,) = workloads(given)
    environment = variables(workload, ROOT)
    yield from settings.unknown(environment)
    if settings.shows_settings():
        yield from settings.refused(environment)
    said = {
        "name": name(workload) == "Deployment cache-steadfast",
        "image": steadfast(workload)["image"] == "steadfast:dev",
        "primary": environment["STEADFAST_PRIMARY_NAME"] == "main",
        "instance": pod_labels(workload)["app.kubernetes.io/instance"] == "cache",
        "grace": workload["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 75,
    }
    yield from (f"values do not reach: {what}" for what, right in said.items() if not right)


def accepted():
    """Values that the schema should have refused."""
    for value in REFUSED:
        command = ["helm", "template", "steadfast", CHART, "--set", value]
        if subprocess.run(command, capture_output=True).returncode == 0:
            yield f"{value} is accepted"


def main():
    run(["helm", "lint", "--strict", CHART])
    found = [*compared(), *off_by_default(), *adapted(), *accepted()]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
