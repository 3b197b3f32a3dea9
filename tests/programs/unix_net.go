// SPDX-License-Identifier: MIT

// Goroutines that talk through UNIX sockets: stream, packet and datagram, deadlines, half-closed connections, a
// passed descriptor, while the collector runs. What it prints does not depend on the order of things.
package main

import (
	"bufio"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const clients, rounds = 24, 40

func must(err error) {
	if err != nil {
		fmt.Println("failed:", err)
		os.Exit(1)
	}
}

func message(client, round int) []byte {
	b := make([]byte, 1+(client*7919+round*104729)%9000)
	for i := range b {
		b[i] = byte(client + round + i)
	}
	return b
}

// One goroutine for each connection sends back the hash of every line-framed message.
func serve(l net.Listener, served *int64) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		go func() {
			defer c.Close()
			r := bufio.NewReader(c)
			for {
				var n int
				if _, err := fmt.Fscanf(r, "%d\n", &n); err != nil {
					return
				}
				b := make([]byte, n)
				if _, err := io.ReadFull(r, b); err != nil {
					return
				}
				atomic.AddInt64(served, 1)
				fmt.Fprintf(c, "%x\n", sha256.Sum256(b))
			}
		}()
	}
}

func talk(path string, client int, wrong *int64) {
	c, err := net.Dial("unix", path)
	must(err)
	defer c.Close()
	r := bufio.NewReader(c)
	for round := 0; round < rounds; round++ {
		b := message(client, round)
		fmt.Fprintf(c, "%d\n", len(b))
		_, err := c.Write(b)
		must(err)
		line, err := r.ReadString('\n')
		must(err)
		if line != fmt.Sprintf("%x\n", sha256.Sum256(b)) {
			atomic.AddInt64(wrong, 1)
		}
		if round%10 == 0 {
			runtime.GC()
		}
	}
}

func streams(folder string) {
	path := filepath.Join(folder, "stream")
	l, err := net.Listen("unix", path)
	must(err)
	var served, wrong int64
	go serve(l, &served)
	var wg sync.WaitGroup
	for i := 0; i < clients; i++ {
		wg.Add(1)
		go func(i int) { defer wg.Done(); talk(path, i, &wrong) }(i)
	}
	wg.Wait()
	fmt.Println("streams: served", served, "wrong", wrong)
	must(l.Close())
	_, err = os.Stat(path)
	fmt.Println("streams: socket is gone:", os.IsNotExist(err))
	_, err = net.Dial("unix", path)
	fmt.Println("streams: nobody listens:", errors.Is(err, syscall.ENOENT))
}

func deadline(folder string) {
	l, err := net.Listen("unix", filepath.Join(folder, "deadline"))
	must(err)
	defer l.Close()
	c, err := net.Dial("unix", filepath.Join(folder, "deadline"))
	must(err)
	must(c.SetReadDeadline(time.Now().Add(30 * time.Millisecond)))
	_, err = c.Read(make([]byte, 1))
	fmt.Println("deadline: read times out:", errors.Is(err, os.ErrDeadlineExceeded))
	must(c.SetDeadline(time.Time{}))
	other, err := l.Accept()
	must(err)
	_, err = c.Write([]byte("half"))
	must(err)
	must(c.(*net.UnixConn).CloseWrite())
	all, err := io.ReadAll(other)
	must(err)
	_, err = other.Write([]byte("and back"))
	must(err)
	must(other.Close())
	back, err := io.ReadAll(c)
	must(err)
	fmt.Printf("half-closed: %q %q\n", all, back)
	_, err = c.Write([]byte("x"))
	fmt.Println("half-closed: write fails with EPIPE:", errors.Is(err, syscall.EPIPE))
}

func datagrams(folder string) {
	to, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(folder, "to"), Net: "unixgram"})
	must(err)
	from, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(folder, "from"), Net: "unixgram"})
	must(err)
	go func() {
		for i := 0; i < 500; i++ {
			_, err := from.WriteTo([]byte(fmt.Sprint("number ", i)), to.LocalAddr())
			must(err)
		}
	}()
	buf := make([]byte, 100)
	good := 0
	for i := 0; i < 500; i++ {
		n, addr, err := to.ReadFrom(buf)
		must(err)
		if string(buf[:n]) == fmt.Sprint("number ", i) && addr.String() == from.LocalAddr().String() {
			good++
		}
	}
	fmt.Println("datagrams: in order:", good)
}

func descriptors(folder string) {
	l, err := net.ListenUnix("unixpacket", &net.UnixAddr{Name: filepath.Join(folder, "packet"), Net: "unixpacket"})
	must(err)
	c, err := net.DialUnix("unixpacket", nil, l.Addr().(*net.UnixAddr))
	must(err)
	other, err := l.AcceptUnix()
	must(err)
	r, w, err := os.Pipe()
	must(err)
	_, _, err = c.WriteMsgUnix([]byte("a pipe"), syscall.UnixRights(int(w.Fd())), nil)
	must(err)
	w.Close()
	buf, oob := make([]byte, 100), make([]byte, 100)
	n, oobn, _, _, err := other.ReadMsgUnix(buf, oob)
	must(err)
	messages, err := syscall.ParseSocketControlMessage(oob[:oobn])
	must(err)
	fds, err := syscall.ParseUnixRights(&messages[0])
	must(err)
	passed := os.NewFile(uintptr(fds[0]), "passed")
	fmt.Fprint(passed, "through it")
	passed.Close()
	text, err := io.ReadAll(r)
	must(err)
	fmt.Printf("descriptors: %q with %d: %q\n", buf[:n], len(fds), text)
	file, err := other.File()
	must(err)
	cred, err := syscall.GetsockoptUcred(int(file.Fd()), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	must(err)
	fmt.Println("peer is this process:", int(cred.Pid) == os.Getpid(), "uid", cred.Uid)
}

// Goroutines that share memory by locks, channels and counters.
func goroutines() {
	var mu sync.RWMutex
	sums, results := map[int]int{}, make(chan int, 8)
	for g := 0; g < 64; g++ {
		go func(g int) {
			total := 0
			for i := 0; i < 500; i++ {
				mu.Lock()
				sums[i%16] += g
				mu.Unlock()
				mu.RLock()
				total += len(sums)
				mu.RUnlock()
				_ = make([]byte, 4096)
			}
			results <- total
		}(g)
	}
	for g := 0; g < 64; g++ {
		<-results
	}
	all := 0
	for _, v := range sums {
		all += v
	}
	ticks, ticker := 0, time.NewTicker(2*time.Millisecond)
	for range ticker.C {
		if ticks++; ticks == 10 {
			break
		}
	}
	fmt.Println("goroutines: sum", all, "of", len(sums), "ticks", ticks)
}

func main() {
	folder, err := os.MkdirTemp("", "net")
	must(err)
	defer os.RemoveAll(folder)
	runtime.GOMAXPROCS(4)
	streams(folder)
	deadline(folder)
	datagrams(folder)
	descriptors(folder)
	goroutines()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Println("collections:", m.NumGC > 10)
}
