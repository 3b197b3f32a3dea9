# SPDX-License-Identifier: MIT
"""Debian's own kernel, for comparison: downloaded with apt-get, unpacked, not installed."""
import glob
import os
import re
import subprocess

from .common import CACHE, Failure, say

# Loading order for the agent's port.
MODULES = ["virtio/virtio_ring.ko", "virtio/virtio.ko", "virtio/virtio_pci_legacy_dev.ko", "virtio/virtio_pci_modern_dev.ko",
           "virtio/virtio_pci.ko", "char/virtio_console.ko"]


def image_package():
    """The package that linux-image-amd64 depends on now."""
    shown = subprocess.run(["apt-cache", "depends", "linux-image-amd64"], capture_output=True, text=True).stdout
    found = re.search(r"Depends: (linux-image-\S+)", shown)
    return found[1] if found else None


def fetch():
    name = image_package()
    if not name and os.geteuid() == 0:
        subprocess.run(["apt-get", "update"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        name = image_package()
    if not name:
        raise Failure("apt knows no linux-image-amd64; as root: apt-get update")
    say(f"downloading {name} for comparison (not installed)")
    os.makedirs(CACHE, exist_ok=True)
    done = subprocess.run(["apt-get", "download", name], cwd=CACHE, capture_output=True, text=True)
    debs = sorted(glob.glob(os.path.join(CACHE, name + "_*.deb")))
    if done.returncode or not debs:
        raise Failure(f"apt-get download {name} failed: {done.stderr.strip()[-200:]}")
    subprocess.run(["dpkg-deb", "-x", debs[-1], os.path.join(CACHE, "linux")], check=True)
    os.unlink(debs[-1])


def linux_kernel():
    """(vmlinuz, [modules])"""
    where = os.path.join(CACHE, "linux")
    if not glob.glob(os.path.join(where, "boot/vmlinuz-*")):
        fetch()
    kernel = sorted(glob.glob(os.path.join(where, "boot/vmlinuz-*")))[-1]
    version = os.path.basename(kernel)[len("vmlinuz-"):]
    for prefix in ("lib/modules", "usr/lib/modules"):
        drivers = os.path.join(where, prefix, version, "kernel/drivers")
        if os.path.isdir(drivers):
            return kernel, [os.path.join(drivers, m) for m in MODULES if os.path.exists(os.path.join(drivers, m))]
    raise Failure(f"{kernel} came without modules")
