"""Why a peer is not there: a benchmark names it with the reason instead of leaving it out."""

from __future__ import annotations

import os
import shutil
import subprocess


def why_missing(program: str, package: str) -> str:
    """One sentence about a program that `scripts/install-peers` should have brought with this Debian package."""
    if shutil.which("apt-get") is None:
        reason = "this system has no apt-get"
    elif not _offered(package):
        reason = f"the package sources offer no {package}"
    elif os.geteuid() != 0:
        reason = f"only root may install the package {package}"
    else:
        reason = f"apt-get could not install {package}"
    return f"{program} is not installed: {reason}"


def _offered(package: str) -> bool:
    found = subprocess.run(["apt-cache", "policy", package], capture_output=True, text=True, check=False)
    return "Candidate:" in found.stdout and "Candidate: (none)" not in found.stdout
