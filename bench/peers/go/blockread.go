// SPDX-License-Identifier: MIT

// Tasks that really block, in four ways by their number modulo 4: a read from a
// pipe, an fsync, a mutex, page faults. Pipes are those of package os, so a reader
// waits in the runtime's poller; fsync and page faults keep a thread.
//
// The files are in TMPDIR, else in /var/tmp: in /tmp they may be in memory.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

const (
	answerAfter = msec
	holdEvery   = 16
	holdFor     = 200 * time.Microsecond
	nrFaults    = 16
	pageSize    = 4096
)

type question struct {
	due  int64
	pipe *os.File
}

type blocker struct {
	dir       string
	questions chan question
	readers   []*os.File
	writers   []*os.File
	mutex     sync.Mutex
	cold      []byte // a mapping of a file that is not in memory
	sum       [][64]byte
}

// answer is the helper outside the pool. All questions wait as long, so they end
// in the order in which they were asked.
func (b *blocker) answer() {
	for q := range b.questions {
		if d := q.due - now(); d > 0 {
			time.Sleep(time.Duration(d))
		}
		if _, err := q.pipe.Write([]byte{'a'}); err != nil {
			die(err)
		}
	}
}

func (b *blocker) readPipe(n int) {
	var answer [1]byte
	b.questions <- question{now() + answerAfter, b.writers[n]}
	if _, err := b.readers[n].Read(answer[:]); err != nil {
		die(err)
	}
}

func (b *blocker) syncFile(n int) {
	var text [32]byte
	name := filepath.Join(b.dir, fmt.Sprint("f", n))
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0600)
	if err == nil {
		_, err = f.Write(text[:])
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		die(err)
	}
	f.Close()
	os.Remove(name)
}

func (b *blocker) holdMutex(n int) {
	b.mutex.Lock()
	if n%holdEvery == 0 {
		time.Sleep(holdFor)
	}
	b.mutex.Unlock()
}

func (b *blocker) touchPages(n int) {
	for i := 0; i < nrFaults; i++ {
		b.sum[n][0] += b.cold[(n*nrFaults+i)*pageSize]
	}
}

func (b *blocker) makePipes(n int) {
	b.questions = make(chan question, n)
	for i := 0; i < n; i++ {
		r, w, err := os.Pipe()
		if err != nil {
			skip(err.Error())
		}
		b.readers = append(b.readers, r)
		b.writers = append(b.writers, w)
	}
	go b.answer()
}

// makeCold maps a file that is not in memory; no page brings its neighbours.
func (b *blocker) makeCold(n int) {
	const fadvDontneed = 4
	b.sum = make([][64]byte, n)
	data := make([]byte, n*nrFaults*pageSize)
	for i := range data {
		data[i] = 'x'
	}
	f, err := os.Create(filepath.Join(b.dir, "cold"))
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	if err != nil {
		die(err)
	}
	if _, _, e := syscall.Syscall6(syscall.SYS_FADVISE64, f.Fd(), 0, 0,
		fadvDontneed, 0, 0); e != 0 {
		die(e)
	}
	b.cold, err = syscall.Mmap(int(f.Fd()), 0, len(data),
		syscall.PROT_READ, syscall.MAP_PRIVATE)
	if err == nil {
		err = syscall.Madvise(b.cold, syscall.MADV_RANDOM)
	}
	if err != nil {
		die(err)
	}
	f.Close()
	os.Remove(f.Name())
}

func blockread() {
	top := os.Getenv("TMPDIR")
	if top == "" {
		top = "/var/tmp"
	}
	dir, err := os.MkdirTemp(top, "peers-")
	if err != nil {
		die(err)
	}
	defer os.Remove(dir)
	n := amount(mixTasks)
	b := blocker{dir: dir}
	b.makePipes(n / 4)
	b.makeCold(n / 4)
	ways := []func(n int){b.readPipe, b.syncFile, b.holdMutex, b.touchPages}
	startPool()
	mixRun(n, func(i int) { ways[i%4](i / 4) })
}
