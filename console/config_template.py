"""The commented configuration that `leitstand init` writes, in the language of the reader."""

from __future__ import annotations

from console.texts import _


def template() -> str:
    """A file that loads as it is: everything that needs an address or a secret is commented out."""
    return _numbers() + _examples()


def _numbers() -> str:
    return f"""# {_("Leitstand's configuration. Unknown keys are refused with their line. See docs/configuration.md.")}

[store]
# {_("Where everything is kept; empty: this user's data directory.")}
directory = ""
# {_("Where the store's key lies: auto, keyring or file.")}
key = "auto"
# {_("How many days raw measurements, quarter hours and days are kept.")}
raw_days = 30
quarter_hour_days = 60
day_days = 1830

[engine]
poll_interval_s = 60
timeout_ms = 2000
retries = 2
# {_("Polls at one time, in all and per uplink.")}
max_in_flight = 1000
max_per_uplink = 32
# {_("Seconds between two questions to a node about its neighbours.")}
mesh_interval_s = 300
# {_("SSH connections at one time.")}
max_ssh = 64

# {_("Raised at `upper`, cleared below `lower`.")}
[thresholds.rtt]
upper = 200
lower = 150

[ui]
# {_("auto, de or en")}
lang = "auto"
# {_("network, dispatch or field")}
role = "network"
theme = "auto"
# {_("braille, block or ascii")}
glyphs = "braille"
"""


def _examples() -> str:
    return f"""
# {_("Rights to read nodes; a node names one in its column `profile`. Secrets stand in 0600 files, the environment")}
# {_("or the keyring, never here: a secret is file, env or keyring.")}
#
# [snmp.default]
# version = "3"
# user = "leitstand"
# auth = "sha256"
# auth_password = {{ file = "snmp-auth" }}
# priv = "aes128"
# priv_password = {{ file = "snmp-priv" }}
#
# [snmp.old]
# version = "2c"
# community = {{ env = "LEITSTAND_COMMUNITY" }}

# {_("How to log in to nodes over SSH: the profile a node names, else `default`. Host keys are confirmed one by one")}
# {_("with `leitstand nodes trust`.")}
#
# [ssh.default]
# user = "root"
# key_file = "~/.ssh/id_ed25519"
# passphrase = {{ keyring = "ssh" }}
# agent = false
# jump = "gate"
#
# [ssh.gate]
# host = "gate.example"
# user = "leitstand"
# agent = true

# {_("Where SNMP traps and informs are received.")}
#
# [notify]
# listen = "0.0.0.0"
# port = 1162

# {_("One block per MQTT broker.")}
#
# [[broker]]
# name = "chirpstack"
# host = "broker.example"
# port = 8883
# tls = true
# user = "leitstand"
# password = {{ keyring = "chirpstack" }}
#
# [[broker.subscribe]]
# topic = "application/+/device/+/event/+"
# kind = "chirpstack"

# {_("A plain JSON sensor: where its id and its values stand in the message.")}
#
# [mapping.weather]
# device = "station"
# time = "ts"
# time_format = "s"
# values = {{ air_temp_c = "t.outside" }}
"""
