"""Are there the flags and variables that a manifest, unit or example uses, and do their values fit?

The program itself is asked: its help for the names, `config show` for the values.
"""

import functools
import json
import os
import re
import subprocess

PROGRAM = os.environ.get("STEADFAST", "steadfast")
PREFIX = "STEADFAST_"
# Read where no Sentinel is given, so they are in no flag's help.
PLATFORM = {f"{kind}_SENTINEL_{what}" for kind in ("VALKEY", "REDIS") for what in ("HOST", "PORT")}


def ask(arguments, variables=None):
    command = [PROGRAM, *arguments]
    return subprocess.run(command, env=variables or {}, capture_output=True, text=True, timeout=60)


@functools.cache
def known():
    """All variables and flags that the program's help names."""
    told = ask(["--help"])
    assert told.returncode == 0, told.stderr
    variables = set(re.findall(r"\[env:\s+(STEADFAST_\w+)\]", told.stdout))
    variables |= set(re.findall(r"or\s+(?:in\s+)?(STEADFAST_\w+)", told.stdout))
    flags = set(re.findall(r"--[a-z][a-z-]+", told.stdout))
    assert len(variables) > 20 and len(flags) > 20, "the help is not understood"
    return variables | PLATFORM, flags


def unknown(variables, arguments=()):
    """What there is no such setting of."""
    names, flags = known()
    given = {word.split("=")[0] for word in arguments if word.startswith("--")}
    return sorted(set(variables) - names) + sorted(given - flags)


def shows_settings():
    """Whether the program has `config show`, without which only names can be compared."""
    return ask(["config", "show"]).returncode == 0


def refused(variables, arguments=()):
    """Why the program would not start with these, or what of them it does not take notice of."""
    told = ask(["config", "show", "--format", "json", *arguments], variables)
    if told.returncode:
        return [told.stderr.strip()]
    sources = {setting["source"] for setting in json.loads(told.stdout)["settings"]}
    ours = [variable for variable in variables if variable.startswith(PREFIX)]
    return [f"{variable} changes no setting" for variable in ours if variable not in sources]
