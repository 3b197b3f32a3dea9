// SPDX-License-Identifier: MIT

// Writes through a nil pointer.
package main

import "fmt"

func main() {
	var p *int
	fmt.Println("before the access")
	*p = 0
	fmt.Println("after the access")
}
