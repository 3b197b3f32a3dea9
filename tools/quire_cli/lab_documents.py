# SPDX-License-Identifier: MIT
"""The documents that the labs follow, and their chapters, in English and Korean. A lab names where it comes from as
"document/chapter"."""

DOCUMENTS = {
    "process": ("Process memory on Linux (allocation, tools, taskset)", "운영체제 프로세스 메모리 할당과 동작 방식 (리눅스 기준)"),
    "system": ("The memory management system", "메모리 관리 시스템"),
    "basics": ("Basic concepts of Linux (memory)", "basic concept of linux / about memory"),
    "guide": ("How Linux manages memory", "리눅스는 메모리를 어떻게 관리할까요?"),
}

CHAPTERS = {
    "process/1": ("1 layout of a process", "1 프로세스 메모리 구조"),
    "process/2": ("2 how memory is allocated", "2 프로세스 메모리 할당 방식"),
    "process/3": ("3 how memory is managed", "3 프로세스 메모리 관리"),
    "process/tools": ("tools", "가상 메모리 현황을 확인하는 방법"),
    "process/taskset": ("taskset", "taskset 명령어 정리"),
    "system/1": ("1 free and its columns", "1 메모리 관련 정보 수집"),
    "system/2": ("2 recycling, OOM killer", "2 메모리 재활용 처리"),
    "system/3": ("3 virtual memory", "3 가상 메모리"),
    "system/4": ("4 new memory for a process", "4 프로세스에 새로운 메모리 할당하기"),
    "basics/space": ("address space", "프로세스 주소 공간"),
    "basics/regions": ("memory regions", "메모리 영역"),
    "basics/links": ("directories, links, special files", "디렉터리와 링크, 특수 파일"),
    "guide/1": ("1 memory as a whole", "1장 리눅스의 메모리 관리"),
    "guide/2": ("2 used and buff/cache", "2장 used와 buff/cache"),
    "guide/3": ("3 OOM killer", "3장 OOM Killer"),
    "guide/4": ("4 virtual memory", "4장 가상 메모리"),
    "guide/5": ("5 mmap and demand paging", "5장 mmap과 Demand Paging"),
    "guide/tables": ("size of page tables", "페이지 테이블의 크기와 계층 구조"),
}


def by_document(places, language):
    found = {}
    for place in places:
        found.setdefault(place.split("/")[0], []).append(CHAPTERS[place][language])
    return found.items()


def said(places, language):
    """The documents and chapters of a lab in words. places: ["guide/4", ...]; language: 0 English, 1 Korean"""
    return "; ".join(f'"{DOCUMENTS[name][language]}", {", ".join(chapters)}' for name, chapters in by_document(places, language))


def said_shortly(places):
    """The same with the documents' short names."""
    return "; ".join(f"{name}: {', '.join(chapters)}" for name, chapters in by_document(places, 0))
