# SPDX-License-Identifier: MIT
"""The page of `quire report` in headless Chromium: plots drawn, no error on the console, readable at the widths of a phone and
a desk, light and dark."""
import json
import re

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

SIZES = {"desk": (1280, 900, False), "phone": (390, 844, True)}

# For each canvas: its size, how many colours of its own are in it, how many pixels are drawn on.
CANVASES = """
return [...document.querySelectorAll("canvas")].map((c) => {
  const pixels = c.getContext("2d").getImageData(0, 0, c.width, c.height).data, colors = new Set();
  let drawn = 0;
  for (let i = 0; i < pixels.length; i += 4) if (pixels[i + 3] > 200) { drawn++; colors.add(pixels[i] << 16 | pixels[i + 1] << 8 | pixels[i + 2]); }
  return { id: c.id, width: c.clientWidth, height: c.clientHeight, drawn, colors: colors.size };
});
"""

# Text that is wider than the page, or too weak against what is behind it (WCAG 2.1: at least 4.5).
READABLE = """
const number = (c) => c.match(/[\\d.]+/g).map(Number);
const luminance = (c) => { const [r, g, b] = number(c).map((v) => (v /= 255) <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
const behind = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (number(c)[3] !== 0) return c; } return "rgb(255, 255, 255)"; };
const bad = [];
for (const e of document.querySelectorAll("h1 code, h2, p, td, th")) {
  if (!e.textContent.trim()) continue;
  const a = luminance(getComputedStyle(e).color), b = luminance(behind(e)), contrast = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  if (contrast < 4.5) bad.push([e.textContent.slice(0, 40), "contrast " + contrast.toFixed(1)]);
  if (parseFloat(getComputedStyle(e).fontSize) < 12) bad.push([e.textContent.slice(0, 40), "small"]);
}
if (document.documentElement.scrollWidth > innerWidth) bad.push(["the page", "wider than the screen"]);
return bad;
"""


def data_of(path):
    with open(path, encoding="utf-8") as f:
        return json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', f.read(), re.S)[1].replace("<\\/", "</"))


def browser():
    o = Options()
    for word in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        o.add_argument(word)
    o.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    return webdriver.Chrome(service=Service("/usr/bin/chromedriver"), options=o)


def look(path, check):
    """A run that swapped."""
    data = data_of(path)
    peak = max(row[1] for row in data["samples"])
    check(20 << 10 < peak < 40 << 10, f"the peak is {peak} kB, of 40 MiB of RAM")
    check(max(row[2] for row in data["samples"]) > 16 << 10, "little was in swap")
    check(data["nrFaults"] >= 64 * 256 and data["nrRounds"] > 0 and data["peak"] == peak, "the sums")
    check(sum(n for _, by in data["regions"] for n in by.values()) == data["nrFaults"], "regions and all faults differ")
    check(sum(sum(v) for v in data["faults"]["series"].values()) == data["nrFaults"], "the timeline and all faults differ")
    check(data["regions"][0][0] == "anonymous, 64.0 MiB" and data["regions"][0][1]["zero-fill"] == 64 * 256, f"{data['regions'][0]}")
    driver = browser()
    try:
        for size, (width, height, mobile) in SIZES.items():
            for scheme in ("light", "dark"):
                where = f"{size}, {scheme}"
                driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": mobile})
                driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]})
                driver.get("file://" + path)
                errors = [e["message"] for e in driver.get_log("browser")]
                check(not errors, f"{where}: {errors}")
                canvases = {c["id"]: c for c in driver.execute_script(CANVASES)}
                check(set(canvases) == {"memory", "faults", "regions", "tables", "working", "heat", "reclaim"}, f"{where}: plots {sorted(canvases)}")
                for name, c in canvases.items():
                    check(c["drawn"] > 500 and c["colors"] > 4 and 0 < c["width"] <= width and c["height"] >= 250, f"{where}: {c}")
                bad = driver.execute_script(READABLE)
                check(not bad, f"{where}: {bad}")
                back = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
                check((back == "rgb(255, 255, 255)") == (scheme == "light"), f"{where}: the page is {back}")
                check(driver.execute_script("return performance.getEntriesByType('resource').length") == 0, f"{where}: something was fetched")
    finally:
        driver.quit()


def look_at_kill(path, check):
    data = data_of(path)
    kill, = data["kills"]
    check(kill["name"] == "steps" and kill["candidates"][0][:2] == [kill["pid"], "steps"], f"{kill}")
    check(not data["heat"] and not data["workingSet"], "--no-refs looked all the same")
    driver = browser()
    try:
        driver.get("file://" + path)
        titles = [e.text for e in driver.find_elements("css selector", "h2")]
        check(f"Killed: steps ({kill['pid']})" in titles, f"{titles}")
        check(not driver.get_log("browser"), "errors on the console")
    finally:
        driver.quit()
