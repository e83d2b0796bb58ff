#!/usr/bin/env python3
"""What a platform such as Elastisys Welkin demands of pods and their surroundings, and what keeps
Steadfast out of a data Service. As a program it shows that each rule can fail.
"""

import copy
import re
import sys

from manifests import combine, containers, name, pod, pod_labels, steadfast, workloads

UID_MIN = 10000
REPLICAS_MIN = 2
ACCESS = re.compile(r"elastisys\.io/valkey-[a-z0-9]([a-z0-9-]*[a-z0-9])?-access")
CAPABILITIES = {"drop": ["ALL"]}
# How the Services of common operators and charts select the data nodes and Sentinels of the set NAME.
# None may match a pod of ours, whatever NAME is; "*" stands for it.
DATA_SERVICES = {
    "redis-operator": {
        "app.kubernetes.io/component": "redis",
        "app.kubernetes.io/name": "*",
        "app.kubernetes.io/part-of": "redis-failover",
    },
    "redis-operator, Sentinel": {
        "app.kubernetes.io/component": "sentinel",
        "app.kubernetes.io/name": "*",
        "app.kubernetes.io/part-of": "redis-failover",
    },
    "Bitnami redis": {"app.kubernetes.io/instance": "*", "app.kubernetes.io/name": "redis"},
    "Bitnami valkey": {"app.kubernetes.io/instance": "*", "app.kubernetes.io/name": "valkey"},
    "redis-ha": {"app": "redis-ha", "release": "*"},
    "by hand, valkey": {"app": "valkey"},
    "by hand, redis": {"app": "redis"},
}


def privileges(workload):
    """The restricted security standard, a numeric user and no token."""
    for container in containers(workload):
        context = {**pod(workload).get("securityContext", {}), **container.get("securityContext", {})}
        yield context.get("runAsNonRoot") is True, "runAsNonRoot"
        yield context.get("runAsUser", 0) > UID_MIN, f"a user id above {UID_MIN}"
        yield context.get("allowPrivilegeEscalation") is False, "allowPrivilegeEscalation"
        yield context.get("capabilities") == CAPABILITIES, "capabilities"
        yield context.get("seccompProfile") == {"type": "RuntimeDefault"}, "seccompProfile"
        yield context.get("readOnlyRootFilesystem") is True, "readOnlyRootFilesystem"
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        yield not pod(workload).get(key), key


def resources(workload):
    for container in containers(workload):
        given = container.get("resources", {})
        yield {"cpu", "memory"} <= given.get("requests", {}).keys(), "requests"
        yield "memory" in given.get("limits", {}), "a limit on memory"
        yield "cpu" not in given.get("limits", {}), "no limit on CPU"


def images(workload):
    for container in containers(workload):
        tag = container["image"].rpartition("/")[2].partition(":")[2]
        pinned = (tag and tag != "latest") or "@sha256:" in container["image"]
        yield pinned, "an image with a tag that is not latest"
        yield not any("hostPort" in port for port in container.get("ports", [])), "no port of the host"


def volumes(workload):
    for volume in pod(workload).get("volumes", []):
        yield "hostPath" not in volume, "no hostPath"
        if "emptyDir" in volume:
            yield (volume["emptyDir"] or {}).get("medium") == "Memory", "emptyDir in memory"


def probes(workload):
    """A sidecar is not asked whether it is ready; whoever has a Service is."""
    ours = steadfast(workload)
    sidecar = ours.get("restartPolicy") == "Always"
    yield ours["startupProbe"]["httpGet"]["path"] == "/startupz", "startupProbe"
    yield ours["livenessProbe"]["httpGet"]["path"] == "/livez", "livenessProbe"
    yield ("readinessProbe" in ours) is not sidecar, "readinessProbe"


def surroundings(workload):
    yield pod(workload).get("enableServiceLinks") is False, "no service links"
    if steadfast(workload).get("restartPolicy") != "Always":
        yield pod(workload).get("automountServiceAccountToken") is False, "no token"
        yield pod(workload)["terminationGracePeriodSeconds"] >= 35, "time to drain"


def of_pods(workload):
    """What a workload breaks."""
    rules = (privileges, resources, images, volumes, probes, surroundings)
    verdicts = (verdict for rule in rules for verdict in rule(workload))
    broken = [what for holds, what in verdicts if not holds]
    broken += [f"selected by {service}" for service in selecting(pod_labels(workload))]
    return [f"{name(workload)}: {what}" for what in broken]


def selecting(labels):
    for service, selector in DATA_SERVICES.items():
        pairs = selector.items()
        if all(key in labels and value in ("*", labels[key]) for key, value in pairs):
            yield service


def selects(selector, workload):
    return selector.items() <= pod_labels(workload).items()


def of_sets(manifests):
    """What several manifests break together, where Steadfast has pods of its own."""
    for workload in workloads(manifests):
        if workload["kind"] == "Deployment":
            scaled = [m["spec"]["minReplicas"] for m in manifests if m["kind"].startswith("Horizontal")]
            replicas = workload["spec"].get("replicas", min(scaled, default=1))
            if replicas < REPLICAS_MIN:
                yield f"{name(workload)}: {replicas} replicas"
            yield from budget(workload, manifests)
    for service in (manifest for manifest in manifests if manifest["kind"] == "Service"):
        if service["spec"].get("type", "ClusterIP") != "ClusterIP":
            yield f"{name(service)} is {service['spec']['type']}"
        if not any(selects(service["spec"]["selector"], w) for w in workloads(manifests)):
            yield f"{name(service)} selects no pod"


def budget(workload, manifests):
    budgets = [m["spec"] for m in manifests if m["kind"] == "PodDisruptionBudget"]
    ours = [b for b in budgets if selects(b["selector"]["matchLabels"], workload)]
    if len(ours) != 1:
        yield f"{name(workload)}: {len(ours)} disruption budgets"
    elif ours[0].get("maxUnavailable") != 1 or "minAvailable" in ours[0]:
        yield f"{name(workload)}: its budget is not maxUnavailable 1"


def of_platform(manifests):
    """What Welkin asks for besides: network policies, and the label that opens the way to Valkey."""
    policies = [m["spec"] for m in manifests if m["kind"] == "NetworkPolicy"]
    for workload in workloads(manifests):
        ours = [p for p in policies if selects(p["podSelector"]["matchLabels"], workload)]
        if not ours:
            yield f"{name(workload)}: selected by no network policy"
        outward = {port["port"] for p in ours for rule in p["egress"] for port in rule["ports"]}
        if ours and outward != {53, 26379, 6379}:
            yield f"{name(workload)}: may reach {sorted(outward)}"
        labels = pod_labels(workload)
        access = [key for key in labels if ACCESS.fullmatch(key) and labels[key] == "allow"]
        if len(access) != 1:
            yield f"{name(workload)}: {len(access)} labels for access"


def change(manifests, kind, *path):
    """A copy in which the last of `path` is the value found at what comes before it."""
    changed = copy.deepcopy(manifests)
    at = next(manifest for manifest in changed if manifest["kind"] == kind)
    *keys, last, value = path
    for key in keys:
        at = at[key]
    at[last] = value
    return changed


def judged(manifests):
    found = [fault for workload in workloads(manifests) for fault in of_pods(workload)]
    return found + list(of_sets(manifests)) + list(of_platform(manifests))


def main():
    good = combine("overlays/welkin")
    assert judged(good) == [], judged(good)
    template = ("Deployment", "spec", "template")
    container = (*template, "spec", "containers", 0)
    labels = (*template, "metadata", "labels")
    broken = {
        "requests": (*container, "resources", {"limits": {"memory": "1Gi"}}),
        "no limit on CPU": (*container, "resources", "limits", "cpu", "1"),
        "user id": (*template, "spec", "securityContext", "runAsUser", 1000),
        "capabilities": (*container, "securityContext", "capabilities", {"add": ["NET_ADMIN"]}),
        "not latest": (*container, "image", "registry.example.com:5000/steadfast"),
        "port of the host": (*container, "ports", 0, "hostPort", 6379),
        "in memory": (*template, "spec", "volumes", [{"name": "run", "emptyDir": {}}]),
        "no service links": (*template, "spec", "enableServiceLinks", True),
        "no token": (*template, "spec", "automountServiceAccountToken", True),
        "time to drain": (*template, "spec", "terminationGracePeriodSeconds", 30),
        "livenessProbe": (*container, "livenessProbe", "httpGet", "path", "/readyz"),
        "1 replicas": ("Deployment", "spec", "replicas", 1),
        "not maxUnavailable 1": ("PodDisruptionBudget", "spec", {
            **next(m["spec"] for m in good if m["kind"] == "PodDisruptionBudget"), "minAvailable": 2,
        }),
        "is LoadBalancer": ("Service", "spec", "type", "LoadBalancer"),
        "selects no pod": ("Service", "spec", "selector", {"app": "other"}),
        "selected by by hand": (*labels, "app", "valkey"),
        "selected by Bitnami": (*labels, "app.kubernetes.io/name", "valkey"),
        "labels for access": (*labels, "elastisys.io/valkey-other-access", "allow"),
        "may reach": ("NetworkPolicy", "spec", "egress", [{"ports": [{"port": 6379}]}]),
        "no network policy": ("NetworkPolicy", "spec", "podSelector", "matchLabels", {"app": "x"}),
    }
    silent = [
        what for what, path in broken.items()
        if not any(what in fault for fault in judged(change(good, *path)))
    ]
    if silent:
        sys.exit(f"rules that nothing breaks: {silent}")


if __name__ == "__main__":
    main()
