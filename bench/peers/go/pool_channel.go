// SPDX-License-Identifier: MIT

//go:build channel

// As many goroutines as CPUs that read one buffered channel: the worker pool of
// the Go textbooks, for those who want to bound what runs at a time.
//
// The channel holds queueLen tasks: with fewer the senders sleep and wake up all
// the time, more gained nothing. It also lets a task submit another one without
// a deadlock. The number of goroutines is that of the CPUs in the scenarios that
// block as well; a user who knows that his tasks block takes peer-go-goroutines.
package main

import (
	"runtime"
	"sync"
)

const (
	peerName = "go-channel"
	queueLen = 1024
)

// In this pool a task that waits for another one may wait for ever.
var moreScenarios []scenario

type worker struct {
	ran int
	_   [120]byte
}

var (
	queue   chan func()
	workers []worker
	running sync.WaitGroup
)

func startPool() {
	queue = make(chan func(), queueLen)
	workers = make([]worker, runtime.GOMAXPROCS(0))
	running.Add(len(workers))
	for i := range workers {
		go work(&workers[i], queue)
	}
}

func work(w *worker, queue <-chan func()) {
	for task := range queue {
		task()
		w.ran++
	}
	running.Done()
}

func submit(task func()) {
	queue <- task
}

// newNoops makes n tasks that do nothing; the workers count them. Send submits
// those from lo to hi, wait returns when all have run, which ends the pool.
func newNoops(n int) (send func(lo, hi int), wait func()) {
	noop := func() {}
	send = func(lo, hi int) {
		for i := lo; i < hi; i++ {
			queue <- noop
		}
	}
	wait = func() {
		close(queue)
		running.Wait()
		sum := 0
		for i := range workers {
			sum += workers[i].ran
		}
		if sum != n {
			panic("tasks were lost")
		}
	}
	return send, wait
}
