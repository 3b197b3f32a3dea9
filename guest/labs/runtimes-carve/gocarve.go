// SPDX-License-Identifier: MIT

// 100,000 small objects in Go: how often does the address space grow? Told a number, it makes so many and does not look.
package main

import (
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"syscall"
)

type object struct{ next *object; data [4]int64 }

var (
	statm int
	text  [64]byte
)

// Pages of address space.
func size() int {
	n, err := syscall.Pread(statm, text[:], 0)
	if err != nil {
		panic(err)
	}
	pages := 0
	for _, c := range text[:n] {
		if c < '0' || c > '9' {
			break
		}
		pages = pages*10 + int(c-'0')
	}
	return pages
}

func main() {
	var err error
	debug.SetGCPercent(-1)
	if statm, err = syscall.Open("/proc/self/statm", syscall.O_RDONLY, 0); err != nil {
		panic(err)
	}
	objects, looks := 100000, len(os.Args) == 1
	if !looks {
		objects, _ = strconv.Atoi(os.Args[1])
	}
	var list *object
	steps, first := 0, size()
	last := first
	for i := 0; i < objects; i++ {
		list = &object{next: list}
		if !looks {
			continue
		}
		if now := size(); now != last {
			steps++
			last = now
		}
	}
	fmt.Printf("Go: objects = %d\nGo: times the address space grew = %d\nGo: grown by kB = %d\n", objects, steps, (last-first)*4)
	for ; list != nil; list = list.next {
	}
}
