#!/usr/bin/env python3
"""The PrometheusRules of the monitoring component and of the chart have the alerts of deploy/alerts, no
other ones.

Neither Kustomize nor Helm reads a file from beyond its own folder, so both have copies: alerts.py --write
makes them anew.
"""

import sys

import yaml
from manifests import KUSTOMIZE, ROOT, invalid

RULES = ROOT / "deploy/alerts/steadfast.rules.yaml"
COMPONENT = KUSTOMIZE / "components/monitoring"
COPY = COMPONENT / "prometheusrule.yaml"
OF_CHART = ROOT / "deploy/helm/steadfast/files" / RULES.name
NOTE = "# Made by tests/deploy/alerts.py --write of deploy/alerts/steadfast.rules.yaml; change that.\n"


def rule():
    labels = {
        "app.kubernetes.io/name": "steadfast",
        "app.kubernetes.io/instance": "steadfast",
        "app.kubernetes.io/component": "proxy",
    }
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "steadfast", "labels": labels},
        "spec": {"groups": yaml.safe_load(RULES.read_text())["groups"]},
    }


def main():
    if not RULES.exists():
        print("NOT CHECKED: alerts, of which there are none yet")
        sys.exit(77)
    if sys.argv[1:] == ["--write"]:
        COPY.write_text(NOTE + yaml.safe_dump(rule(), sort_keys=False, width=100))
        OF_CHART.write_text(RULES.read_text())
    faults = invalid([rule()])
    if yaml.safe_load(COPY.read_text()) != rule():
        faults.append(f"{COPY} is not what deploy/alerts says: run tests/deploy/alerts.py --write")
    if OF_CHART.read_text() != RULES.read_text():
        faults.append(f"{OF_CHART} is not deploy/alerts' own: run tests/deploy/alerts.py --write")
    if COPY.name not in yaml.safe_load((COMPONENT / "kustomization.yaml").read_text())["resources"]:
        faults.append(f"{COPY.name} is not among the resources of its component")
    if faults:
        sys.exit("\n".join(faults))


if __name__ == "__main__":
    main()
