#!/usr/bin/env python3
"""The compose file: it is read where there is `docker compose`; Steadfast in it is confined, is asked for
its health by its own program, and has only settings that exist.

Nothing is started: that takes images from a registry.
"""

import subprocess
import sys

import settings
import yaml
from kustomize import OF_IMAGE
from manifests import ROOT

FILE = ROOT / "deploy/compose/compose.yaml"


def confined(name, service):
    """What is to hold of every service."""
    rules = {
        "a read-only root": service.get("read_only") is True,
        "no capabilities": service.get("cap_drop") == ["ALL"],
        "a numeric user": service.get("user", "").replace(":", "").isdigit(),
        "a tag": ":" in service["image"] and not service["image"].endswith(":latest"),
        "loopback": all(port.startswith("127.0.0.1:") for port in service.get("ports", [])),
        "known others": set(service.get("depends_on", [])) <= NAMES,
    }
    return [f"{name}: {what}" for what, holds in rules.items() if not holds]


def of_steadfast(service):
    given = {**OF_IMAGE, **service["environment"]}
    yield from settings.unknown(given)
    if settings.shows_settings():
        yield from settings.refused(given)
    asked = service["healthcheck"]["test"]
    told = settings.ask([*asked[2:], "--help"])
    if asked[:2] != ["CMD", "/steadfast"] or told.returncode:
        yield f"{asked}: {told.stderr}"
    seeds = {seed.split(":")[0] for seed in given["STEADFAST_SENTINEL"].split(",")}
    if not seeds <= NAMES:
        yield f"{seeds} are no services"


def by_compose():
    """What `docker compose` itself has against the file; it needs no running docker for that."""
    compose = ["docker", "compose"]
    try:
        there = subprocess.run([*compose, "version"], capture_output=True).returncode == 0
    except FileNotFoundError:
        there = False
    if not there:
        print("NOT CHECKED: compose.yaml by `docker compose`, which is not installed")
        return
    done = subprocess.run([*compose, "-f", FILE, "config", "--quiet"], capture_output=True, text=True)
    if done.returncode:
        yield done.stderr


SERVICES = yaml.safe_load(FILE.read_text())["services"]
NAMES = set(SERVICES)


def main():
    found = [fault for name, service in SERVICES.items() for fault in confined(name, service)]
    found += [*of_steadfast(SERVICES["steadfast"]), *by_compose()]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
