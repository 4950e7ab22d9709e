// SPDX-License-Identifier: MIT

//go:build goroutines

// A goroutine per task: what Go's own documentation says to do first.
//
// Tasks are awaited through one sync.WaitGroup, although all CPUs write to it with
// every task: counting them down in blocks of 125 to 1000 was not faster.
package main

import "sync"

const peerName = "go-goroutines"

var moreScenarios = []scenario{{"forkjoin", forkjoin}}

func startPool() {}

func submit(task func()) {
	go task()
}

// newNoops makes n tasks that do nothing but say that they ran. Send submits
// those from lo to hi, wait returns when all have run.
func newNoops(n int) (send func(lo, hi int), wait func()) {
	all := new(sync.WaitGroup)
	all.Add(n)
	noop := func() { all.Done() }
	send = func(lo, hi int) {
		for i := lo; i < hi; i++ {
			go noop()
		}
	}
	return send, all.Wait
}
