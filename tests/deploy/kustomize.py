#!/usr/bin/env python3
"""Every kustomization renders, satisfies the schemas of Kubernetes and of the Prometheus Operator,
breaks no rule, and uses only settings that exist.
"""

import pathlib
import subprocess
import sys
import tempfile

import rules
import settings
from manifests import (
    KUSTOMIZE, WORKLOADS, combine, containers, invalid, name, pod, pod_labels, render, steadfast,
    workloads,
)

COMPONENTS = sorted(path.name for path in (KUSTOMIZE / "components").iterdir())
OWN = [component for component in COMPONENTS if not component.startswith("sidecar")]
SOCKET = "sidecar-socket"
# What the image sets, by the Dockerfile; image.py compares.
OF_IMAGE = {"STEADFAST_LISTEN": "[::]:6379", "STEADFAST_ADMIN_LISTEN": "[::]:9379"}
OF_PLATFORM = {"VALKEY_SENTINEL_HOST": "rfs-cluster.valkey", "VALKEY_SENTINEL_PORT": "26379"}
RESTRICTED = {
    "runAsNonRoot": True,
    "runAsUser": 20000,
    "allowPrivilegeEscalation": False,
    "readOnlyRootFilesystem": True,
    "capabilities": {"drop": ["ALL"]},
    "seccompProfile": {"type": "RuntimeDefault"},
}


def application(kind):
    """An application that meets all rules, so that what is found is the sidecar's."""
    container = {
        "name": "app",
        "image": "registry.example.com/app:1.0",
        "resources": {"requests": {"cpu": "1", "memory": "1Mi"}, "limits": {"memory": "1Mi"}},
        "securityContext": RESTRICTED,
    }
    template = {"metadata": {"labels": {"app": "app"}}, "spec": {"containers": [container]}}
    spec = {"template": template}
    if kind == "Job":
        template["spec"]["restartPolicy"] = "Never"
    else:
        spec["selector"] = {"matchLabels": {"app": "app"}}
    if kind == "StatefulSet":
        spec["serviceName"] = "app"
    api = "batch/v1" if kind == "Job" else "apps/v1"
    labels = {"steadfast/sidecar": "enabled"}
    metadata = {"name": "app", "labels": labels}
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def rendered():
    """All that is shipped, and what can be made of it."""
    for overlay in ("base", *(f"overlays/{path.name}" for path in (KUSTOMIZE / "overlays").iterdir())):
        yield overlay, render(KUSTOMIZE / overlay)
        # An autoscaler cannot scale a DaemonSet.
        fitting = [c for c in OWN if c != "autoscaling" or "daemonset" not in overlay]
        if "welkin" in overlay:
            fitting = [c for c in fitting if c not in ("networkpolicy", "monitoring")]
        for component in fitting:
            yield f"{overlay} with {component}", combine(overlay, [component])
        yield f"{overlay} with all components", combine(overlay, fitting)
    for example in ("example-sidecar", "example-sidecar-socket"):
        yield example, render(KUSTOMIZE / example)
    sidecars = [application(kind) for kind in WORKLOADS]
    access = ["overlays/welkin/access"]
    yield "sidecars", combine(None, ["sidecar"], sidecars, transformers=access)
    yield "sidecars with sockets", combine(None, ["sidecar", SOCKET], sidecars, transformers=access)


def variables(workload, files):
    """The environment of the program in the container, with its files as if mounted below `files`."""
    ours = steadfast(workload)
    given = {variable["name"]: variable["value"] for variable in ours.get("env", [])}
    sources = [source["configMapRef"]["name"] for source in ours.get("envFrom", [])]
    assert sources == ["valkey-sentinel"], f"{name(workload)}: {sources}"
    mounts = [mount["mountPath"] for mount in ours.get("volumeMounts", [])]
    for variable, value in given.items():
        if variable.endswith("_FILE"):
            folder = str(pathlib.PurePosixPath(value).parent)
            assert folder in mounts, f"{variable} is in no volume"
            given[variable] = str(files / pathlib.PurePosixPath(value).name)
    return {**OF_IMAGE, **OF_PLATFORM, **given}


def certificate(folder):
    """tls.crt, tls.key and ca.crt, as the Secrets hold them."""
    files = folder / "tls.crt", folder / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
         "-nodes", "-days", "2", "-subj", "/CN=steadfast", "-out", files[0], "-keyout", files[1]],
        check=True, capture_output=True,
    )
    (folder / "ca.crt").write_bytes(files[0].read_bytes())


def of_settings(manifests, files, values):
    for workload in workloads(manifests):
        given = variables(workload, files)
        arguments = steadfast(workload).get("args", [])
        for setting in settings.unknown(given, arguments):
            yield f"{name(workload)}: there is no {setting}"
        if values:
            yield from settings.refused(given, arguments)


def of_rules(where, manifests):
    for workload in workloads(manifests):
        if not where.startswith("example"):  # whose application is not ours to judge
            yield from rules.of_pods(workload)
    if where.startswith(("base", "overlays")):
        yield from rules.of_sets(manifests)
    if "welkin" in where:
        yield from rules.of_platform(manifests)


def access_label():
    """The label is built from the name, dashes and all, for the proxy and for sidecars."""
    for where in ("overlays/welkin", None):
        given = [] if where else [application(kind) for kind in WORKLOADS]
        access = [] if where else ["overlays/welkin/access"]
        found = combine(where, [], given, transformers=access)
        for workload in workloads(found):
            label = pod_labels(workload).get("elastisys.io/valkey-my-cluster-access")
            if label != "allow":
                yield f"{name(workload)}: its access label is {label}"


def shared_socket():
    """The socket is in a volume in memory, which Steadfast mounts, and the application of the example; and
    nothing else is listened at for clients.
    """
    found = render(KUSTOMIZE / "example-sidecar-socket")
    found += combine(None, ["sidecar", SOCKET], [application(kind) for kind in WORKLOADS])
    for workload in workloads(found):
        listens = variables(workload, pathlib.Path("/nowhere"))["STEADFAST_LISTEN"]
        kind, _, path = listens.partition(":")
        folder = str(pathlib.PurePosixPath(path).parent)
        volumes = [volume["name"] for volume in pod(workload)["volumes"] if "emptyDir" in volume]
        mounting = [
            container["name"] for container in containers(workload)
            for mount in container.get("volumeMounts", [])
            if mount["mountPath"] == folder and mount["name"] in volumes and not mount.get("readOnly")
        ]
        wanted = ["steadfast", "app"] if workload in found[:1] else ["steadfast"]
        if kind != "unix" or mounting != wanted:
            yield f"{name(workload)}: {listens}, whose folder is mounted by {mounting}"


def other_image():
    """What deploy/README.md says of an image of one's own."""
    image = {"name": "registry.example.com/steadfast", "newName": "steadfast", "newTag": "dev"}
    for overlay, components, given in (
        ("overlays/deployment", [], []),
        (None, ["sidecar"], [application("Deployment")]),
    ):
        for workload in workloads(combine(overlay, components, given, images=[image])):
            if steadfast(workload)["image"] != "steadfast:dev":
                yield f"{name(workload)}: its image is {steadfast(workload)['image']}"


def main():
    values = settings.shows_settings()
    if not values:
        print("NOT CHECKED: the values of settings; the program has no `config show`")
    found = {}
    count = 0
    with tempfile.TemporaryDirectory() as folder:
        files = pathlib.Path(folder)
        certificate(files)
        for where, manifests in rendered():
            count += 1
            assert workloads(manifests), f"{where} has no pods"
            for fault in (
                *invalid(manifests), *of_rules(where, manifests), *of_settings(manifests, files, values)
            ):
                found.setdefault(fault, where)
    for fault in (*access_label(), *shared_socket(), *other_image()):
        found[fault] = "overlays"
    if found:
        sys.exit("\n".join(f"{fault} ({where})" for fault, where in found.items()))
    print(f"{count} kustomizations")


if __name__ == "__main__":
    main()
