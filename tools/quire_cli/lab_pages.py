# SPDX-License-Identifier: MIT
"""The pages of the labs, docs/labs/NAME.md and NAME.ko.md: what is seen there is a run's real output.

A page has one block that begins with "$ ./quire lab NAME": an excerpt of what the lab prints. Its lines stand in the output
in the same order and side by side; a line "..." stands for any that are left out. Figures, addresses and bars may
differ. `./quire lab NAME --write-pages` takes a new excerpt from a run: what lies between the first and the last line of
each part that is still found. The line below a page's title and the tables in the two README files come from the labs
themselves."""
import difflib
import os
import re

from .common import ROOT
from .lab_documents import said

PAGES = os.path.join(ROOT, "docs/labs")
LANGUAGES = (".md", ".ko.md")
LAB = ("Lab", "실험")
GAP = "..."
TABLE_HEAD = ("| # | lab | document, chapter | what it teaches | on the host |", "| # | 실험 | 문서, 장 | 무엇을 보여 주는가 | 호스트에서 |")
YES_NO = (("yes", "no"), ("예", "아니요"))
FOLDERS = "mm|fs|kernel|arch|lib|include|drivers|guest|tests|docs|tools|bench"


def path_of(name, language):
    return os.path.join(PAGES, name + LANGUAGES[language])


def read(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def write(path, text):
    with open(path, "w", encoding="utf-8") as f:
        f.write(text)


# ---- excerpts ----

def masked(line):
    """The line without what differs from run to run: bars, addresses, figures, and the blanks that depend on them."""
    line = re.sub(r"\|[#.cs]*(?= |\||$)", "|", line)
    line = re.sub(r"#+", " ", line)
    line = re.sub(r"\b(?:0x[0-9a-f]+|[0-9a-f]{8,})\b", "0", line)
    line = re.sub(r"(?<!\w)[-+]?\d[\d.,:]*", "N", line)
    return " ".join(line.split())


def block(text, name):
    """(start, end) of the lines below "$ ./quire lab NAME" in a page; None: there are none."""
    m = re.search(r"^```[a-z]*\n\$ \./quire lab " + re.escape(name) + r"\n(.*?)^```$", text, re.M | re.S)
    return m and m.span(1)


def parts(lines):
    """The runs of lines between the gaps, without empty lines."""
    found = [[]]
    for line in lines:
        if line.strip() == GAP:
            found.append([])
        elif line.strip():
            found[-1].append(line)
    return [p for p in found if p]


def missing(excerpt, output):
    """The first line of the excerpt that is not where it should be in the output; None: all are."""
    lines = [masked(line) for line in output if line.strip()]
    at = 0
    for part in parts(excerpt):
        wanted = [masked(line) for line in part]
        best = (0, None)
        for start in range(at, len(lines)):
            same = 0
            while same < len(wanted) and start + same < len(lines) and lines[start + same] == wanted[same]:
                same += 1
            best = max(best, (same, start), key=lambda b: b[0])
            if same == len(wanted):
                break
        if best[0] < len(wanted):
            return part[best[0]]
        at = best[1] + len(wanted)
    return None


def renewed(excerpt, output):
    """The excerpt with the output's lines. A part's first and last lines that are still found say what it holds."""
    if not parts(excerpt):
        return output
    flat = [masked(line) for part in parts(excerpt) for line in part]
    lines = [masked(line) for line in output]
    where, at = {}, 0
    if missing(excerpt, output) is None:  # as the check finds it
        solid = [i for i, line in enumerate(output) if line.strip()]
        packed, cursor = [lines[i] for i in solid], 0
        for part in parts(excerpt):
            wanted = [masked(line) for line in part]
            while packed[cursor:cursor + len(wanted)] != wanted:
                cursor += 1
            for _ in wanted:
                where[at] = solid[cursor]
                at, cursor = at + 1, cursor + 1
    else:
        for a, b, size in difflib.SequenceMatcher(None, flat, lines, autojunk=False).get_matching_blocks():
            where.update((a + i, b + i) for i in range(size) if flat[a + i])
    result, at = [], 0
    for n, part in enumerate(parts(excerpt)):
        found = [where[i] for i in range(at, at + len(part)) if i in where]
        at += len(part)
        if result or (n == 0 and excerpt[0].strip() == GAP):
            result.append(GAP)
        if found:
            result += output[found[0]:found[-1] + 1]
    if [line for line in excerpt if line.strip()][-1].strip() == GAP:
        result.append(GAP)
    return result


def check(name, output):
    """What is wrong with the excerpts in a lab's pages, in one line; None: nothing."""
    for language in (0, 1):
        path = path_of(name, language)
        if not os.path.exists(path):
            return f"there is no {os.path.relpath(path, ROOT)}"
        text = read(path)
        span = block(text, name)
        if not span:
            return f"{os.path.relpath(path, ROOT)} has no block that begins with '$ ./quire lab {name}'"
        line = missing(text[span[0]:span[1]].splitlines(), output)
        if line is not None:
            return f"{os.path.relpath(path, ROOT)} shows a line that does not come there: '{line.strip()}'; ./quire lab {name} --write-pages takes what comes now"
    return None


def write_excerpts(name, output):
    """Takes new excerpts into both pages; the English one says which lines."""
    text = read(path_of(name, 0))
    span = block(text, name)
    lines = renewed(text[span[0]:span[1]].splitlines(), [line.rstrip() for line in output])
    while lines and not lines[0].strip():
        lines.pop(0)
    for language in (0, 1):
        path = path_of(name, language)
        text = read(path)
        span = block(text, name)
        write(path, text[:span[0]] + "".join(line + "\n" for line in lines) + text[span[1]:])


# ---- what pages take from the labs ----

def origin(module, language):
    """The line below a page's title."""
    return f"*{LAB[language]} {module.NUMBER}. {said(module.FROM, language)}.*"


def title_and_lead(name, language):
    """A page's title (behind the name) and its first paragraph."""
    text = read(path_of(name, language))
    title = text.splitlines()[0].partition(": ")[2]
    return title, " ".join(text.split("\n\n")[2].split())


def table(modules, language):
    """modules: {name: module}, in order"""
    rows = [TABLE_HEAD[language], "|---|---|---|---|---|"]
    for name, module in modules.items():
        title, lead = title_and_lead(name, language)
        on_host = YES_NO[language][1 if hasattr(module, "NOT_ON_HOST") else 0]
        rows.append(f"| {module.NUMBER} | [{name}]({name}{LANGUAGES[language]}): {title} | {said(module.FROM, language)} | {lead} | {on_host} |")
    return "\n".join(rows) + "\n"


def with_table(text, modules, language):
    head = re.escape(TABLE_HEAD[language])
    return re.sub(head + r"\n(\|.*\n)*", lambda _: table(modules, language), text)


def index_path(language):
    return os.path.join(PAGES, "README" + LANGUAGES[language])


def with_origin(text, module, language):
    lines = text.split("\n")
    lines[2] = origin(module, language)
    return "\n".join(lines)


def write_frames(modules):
    """The lines below the titles, and the tables."""
    for language in (0, 1):
        for name, module in modules.items():
            path = path_of(name, language)
            write(path, with_origin(read(path), module, language))
        write(index_path(language), with_table(read(index_path(language)), modules, language))


def problems(modules):
    """What is wrong with the pages as far as it can be seen without a run."""
    found = []
    for name, module in modules.items():
        excerpts = []
        for language in (0, 1):
            path = path_of(name, language)
            shown = os.path.relpath(path, ROOT)
            if not os.path.exists(path):
                found.append(f"there is no {shown}")
                continue
            text = read(path)
            span = block(text, name)
            excerpts.append(text[slice(*span)] if span else None)
            if not span or not parts(text[slice(*span)].splitlines()):
                found.append(f"{shown} shows no output")
            if text != with_origin(text, module, language):
                found.append(f"{shown}: the line below the title is not the lab's own")
            found += [f"{shown} names {p}, which is not there" for p in re.findall(rf"`((?:{FOLDERS})/[\w./+-]*)`", text)
                      if not os.path.exists(os.path.join(ROOT, p))]
        if len(excerpts) == 2 and excerpts[0] != excerpts[1]:
            found.append(f"{name}: the two languages show different output")
    if not found:
        for language in (0, 1):
            text = read(index_path(language))
            if text != with_table(text, modules, language) or TABLE_HEAD[language] not in text:
                found.append(f"{os.path.relpath(index_path(language), ROOT)}: the table is not that of the labs; ./quire lab --write-index")
    return found
