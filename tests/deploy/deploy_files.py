"""What the tests of deploy/ share: how they read its files (YAML, and Alloy's own syntax), and run its script."""
import re
import shutil
import unittest

from support.broker import ROOT, TAKHIN, clean_environment, run

try:
    import yaml
except ImportError:
    yaml = None

DEPLOY = ROOT / "deploy"


def needs(*tools):
    missing = [tool for tool in tools if not shutil.which(tool)]
    return unittest.skipIf(missing, f"{', '.join(missing)} is not on this machine")


needs_yaml = unittest.skipUnless(yaml, "reading YAML needs python3-yaml")


def text(name):
    return (DEPLOY / name).read_text()


def documents(name):
    """Of a YAML file, in its order."""
    return list(yaml.safe_load_all(text(name)))


def document(name):
    only, = documents(name)
    return only


def defaults():
    """{'profiler.port': '6060'}, as takhin itself says."""
    lines = run(TAKHIN, "-print-config", env=clean_environment()).stdout.splitlines()
    rows = (re.match(r"([a-z0-9_.]+): (.*?)\s+# ", line) for line in lines)
    return {row.group(1): row.group(2).strip('"') for row in rows if row}


def variable(key):
    return "TAKHIN_" + key.replace(".", "_").upper()


def all_texts():
    """{path below deploy/: text}"""
    return {str(path.relative_to(DEPLOY)): path.read_text() for path in sorted(DEPLOY.rglob("*")) if path.is_file()}


TOKEN = re.compile(r'\s+|//[^\n]*|("(?:[^"\\]|\\.)*"|[A-Za-z_][\w.]*|\d+|[{}\[\]=,])')


def alloy(name):
    """Blocks of a file in Alloy's syntax: {("profile.custom", "x"): {"enabled": True, ...}}, nested as they are."""
    source, tokens, at = text(name), [], 0
    while at < len(source):
        token = TOKEN.match(source, at)
        assert token, f"{name}: not Alloy's syntax: {source[at:at + 40]!r}"
        tokens += [token.group(1)] if token.group(1) else []
        at = token.end()
    body, rest = alloy_body(tokens)
    assert not rest, f"{name}: a block too many is closed"
    return body


def alloy_body(tokens):
    body = {}
    while tokens and tokens[0] != "}":
        name, *tokens = tokens
        if tokens[0] == "=":
            value, tokens = alloy_value(tokens[1:])
            key = name
        else:
            label = tokens.pop(0).strip('"') if tokens[0] != "{" else ""
            assert tokens.pop(0) == "{", f"{name}: a block begins with {{"
            value, tokens = alloy_body(tokens)
            assert tokens.pop(0) == "}", f"{name}: a block ends with }}"
            key = (name, label)
        assert key not in body, f"{key} stands twice"
        body[key] = value
    return body, tokens


def alloy_value(tokens):
    first, *tokens = tokens
    if first == "[":
        values = []
        while tokens[0] != "]":
            value, tokens = alloy_value(tokens)
            values.append(value)
            tokens = tokens[1:] if tokens[0] == "," else tokens
        return values, tokens[1:]
    if first == "{":
        pairs = {}
        while tokens[0] != "}":
            key, equals, *tokens = tokens
            assert equals == "=", f"{key}: an object has keys and values"
            pairs[key.strip('"')], tokens = alloy_value(tokens)
            tokens = tokens[1:] if tokens[0] == "," else tokens
        return pairs, tokens[1:]
    return {"true": True, "false": False}.get(first, first.strip('"')), tokens


def run_incident(broker, root, *arguments):
    """What incident.sh says and its exit code; nothing of takhin's own is in its PATH."""
    addresses = [word for flag, service in (("-p", "profiler"), ("-m", "metrics"), ("-e", "health"))
                 if service in broker.ports for word in (flag, f"127.0.0.1:{broker.ports[service]}")]
    return run(DEPLOY / "incident.sh", *addresses, "-o", root, *arguments, check=False,
               env=clean_environment(PATH="/usr/bin:/bin"))
