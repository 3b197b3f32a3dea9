# SPDX-License-Identifier: MIT
"""Debian's own kernel, for comparison: downloaded with apt-get, unpacked, not installed."""
import glob
import os
import re
import subprocess

from .common import CACHE, Failure, say

# What the guest's init needs; what these need is found in the modules themselves.
MODULES = {"port": ["virtio_pci", "virtio_console"],
           "disk": ["virtio_pci", "virtio_blk"],
           "ram-disk": ["nd_e820", "nd_pmem"],
           "ext2": ["crc32c_generic", "ext4"]}


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


def module_files(where):
    """{name: path} of all modules below a directory."""
    found = {}
    for folder, _, names in os.walk(where):
        for name in names:
            if name.endswith(".ko"):
                found[name[:-3].replace("-", "_")] = os.path.join(folder, name)
    return found


def needs_of(path):
    """The names of the modules that one needs, as it says itself."""
    with open(path, "rb") as f:
        said = re.search(rb"\0depends=([^\0]*)\0", f.read())
    return [n.replace("-", "_") for n in said[1].decode().split(",") if n] if said else []


def in_loading_order(wanted, files):
    """Paths of the modules and of what they need, each after its needs. What is no module is built in."""
    order = []

    def visit(name):
        path = files.get(name)
        if path and path not in order:
            for need in needs_of(path):
                visit(need)
            order.append(path)

    for name in wanted:
        visit(name)
    return order


def linux_kernel(*parts):
    """(vmlinuz, the modules in loading order for these parts of MODULES)"""
    where = os.path.join(CACHE, "linux")
    if not glob.glob(os.path.join(where, "boot/vmlinuz-*")):
        fetch()
    kernel = sorted(glob.glob(os.path.join(where, "boot/vmlinuz-*")))[-1]
    version = os.path.basename(kernel)[len("vmlinuz-"):]
    for prefix in ("lib/modules", "usr/lib/modules"):
        modules = os.path.join(where, prefix, version)
        if os.path.isdir(modules):
            return kernel, in_loading_order([name for part in parts for name in MODULES[part]], module_files(modules))
    raise Failure(f"{kernel} came without modules")
