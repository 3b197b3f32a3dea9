// SPDX-License-Identifier: MIT

// Maps 1 GiB of address space (or as many as it is told), touches one page of it, gives it back.
package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)


// A field of a file of /proc, in kB.
func field(file, name string) int {
	text, err := os.ReadFile(file)
	if err != nil {
		panic(err)
	}
	for _, line := range strings.Split(string(text), "\n") {
		if strings.HasPrefix(line, name+":") {
			var kb int
			fmt.Sscanf(line[len(name)+1:], "%d", &kb)
			return kb
		}
	}
	panic(name)
}

func show(when string) {
	fmt.Printf("VmSize %s = %d kB\n", when, field("/proc/self/status", "VmSize"))
	fmt.Printf("VmRSS %s = %d kB\n", when, field("/proc/self/status", "VmRSS"))
	fmt.Printf("MemFree %s = %d kB\n", when, field("/proc/meminfo", "MemFree"))
}

func main() {
	gib := 1
	if len(os.Args) > 1 {
		gib, _ = strconv.Atoi(os.Args[1])
	}
	size := gib << 30
	show("before")
	area, err := syscall.Mmap(-1, 0, size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		fmt.Printf("mmap of %d GiB = %v\n", gib, err)
		os.Exit(1)
	}
	show("after mmap")
	area[0] = 1
	show("after one page was touched")
	if err := syscall.Munmap(area); err != nil {
		panic(err)
	}
	show("after munmap")
}
