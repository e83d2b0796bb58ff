#!/usr/bin/env python3
"""`make install` puts everything in its place; the units are in order and leave the service little to
break; the examples of settings hold none that does not exist.

systemd itself is not started: that the sockets are taken over is tested with the program (tests/it).
"""

import configparser
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import settings
from manifests import ROOT

# "OK" ends at 2.0 on systemd's scale of 0 to 10.
EXPOSURE_MAX = 2.0
# An example that is commented out.
COMMENTED = re.compile(r"^# ?((?:[a-z_]+ = |STEADFAST_).*)$", re.MULTILINE)
SOCKETS = {"listen", "listen-tls", "admin"}


def systemd_analyze(*arguments):
    command = ["systemd-analyze", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr


def install(prefix):
    command = ["make", "-s", "install", f"PREFIX={prefix}", f"SYSCONFDIR={prefix}/etc"]
    command.append(f"BINARY={settings.PROGRAM}")
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True, timeout=60)


def verified(units):
    code, told = systemd_analyze("verify", "--man=no", *map(str, units))
    # It also reads the machine's own units, about which it may have something to say.
    ours = [line for line in told.splitlines() if "steadfast" in line]
    return [f"verify: {line}" for line in ours] + [told] * (code != 0 and not ours)


def exposed(unit):
    limit = f"--threshold={int(EXPOSURE_MAX * 10)}"
    code, told = systemd_analyze("security", "--offline=true", limit, str(unit))
    found = re.search(r"exposure level for \S+: ([\d.]+)", told)
    assert found, told
    print(f"exposure {found[1]}")
    if code or float(found[1]) > EXPOSURE_MAX:
        yield told


def of_unit(unit, toml):
    text = unit.read_text()
    command = re.search(r"^ExecStart=(.*)$", text, re.MULTILINE)[1].split()
    yield from settings.unknown([], command)
    if str(toml) not in command:
        yield f"{command} does not read {toml}"
    if not os.access(command[0], os.X_OK):
        yield f"{command[0]} is no program"


def of_socket(unit):
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(unit.read_text())
    if parser["Socket"]["FileDescriptorName"] not in SOCKETS:
        yield "steadfast.socket has a name that says nothing"


def of_toml(toml, folder):
    """As it is, and with all that is commented out put in."""
    if not settings.shows_settings():
        print("NOT CHECKED: steadfast.toml; the program has no `config show`")
        return
    (folder / "secret").write_text("secret\n")
    given = toml.read_text()
    added = COMMENTED.findall(given)
    assert added, "steadfast.toml has no examples"
    names = {line.split(" = ")[0] for line in added}
    kept = [line for line in given.splitlines() if line.split(" = ")[0] not in names]
    full = re.sub(r'(_file) = ".*"', rf'\1 = "{folder}/secret"', "\n".join([*kept, *added]))
    for text in (given, full):
        tried = folder / "tried.toml"
        tried.write_text(text)
        told = settings.ask(["--config", str(tried), "config", "show"])
        if told.returncode:
            yield f"steadfast.toml: {told.stderr}"


def of_env(env):
    variables = [line.split("=")[0] for line in COMMENTED.findall(env.read_text())]
    assert variables, "steadfast.env has no examples"
    yield from (f"steadfast.env: there is no {one}" for one in settings.unknown(variables))


def keeps_settings(prefix, toml):
    toml.write_text("# mine\n")
    install(prefix)
    if toml.read_text() != "# mine\n":
        yield "make install overwrites settings"


def main():
    with tempfile.TemporaryDirectory() as folder:
        prefix = pathlib.Path(folder)
        install(prefix)
        units = prefix / "lib/systemd/system"
        service, socket = units / "steadfast.service", units / "steadfast.socket"
        toml = prefix / "etc/steadfast/steadfast.toml"
        found = [
            *verified([service, socket]), *exposed(service), *of_unit(service, toml),
            *of_socket(socket), *of_toml(toml, prefix),
            *of_env(prefix / "share/doc/steadfast/steadfast.env"), *keeps_settings(prefix, toml),
        ]
    if found:
        sys.exit("\n".join(found))


if __name__ == "__main__":
    main()
