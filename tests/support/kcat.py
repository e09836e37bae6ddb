"""kcat, which gives up after five seconds where it is not told to wait for as long as a slow machine takes."""
from support.broker import TIMEOUT_S, run


def command(broker, *arguments):
    return ["kcat", "-b", broker.address, "-m", str(TIMEOUT_S), *arguments]


def kcat(broker, *arguments, **options):
    return run(*command(broker, *arguments), **options)
