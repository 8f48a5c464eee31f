# SPDX-License-Identifier: Apache-2.0
"""What those who read from Kafka are told on the command line; needs no Kafka client."""

import argparse


def add_arguments(parser: argparse.ArgumentParser, group: str) -> None:
    parser.add_argument("--brokers", required=True, help="host:port, several separated by commas")
    parser.add_argument("--cloudspace", required=True, help="what the names of topics begin with")
    parser.add_argument("--group", default=group, help="consumer group, default %(default)s")
    parser.add_argument("--member", help="name of this process in the group, another one for each: started after a"
                                         " crash it has its partitions at once")
    parser.add_argument("--set", action="append", default=[], type=setting, metavar="NAME=VALUE",
                        help="a librdkafka setting, such as security.protocol=SASL_SSL; may be repeated")


def setting(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not name or not separator:
        raise argparse.ArgumentTypeError(f"expected NAME=VALUE, got {text!r}")
    return name, value
