// SPDX-License-Identifier: MIT

// 64 tasks asleep for a second, and an instant one that must not wait for them.
package main

import (
	"sync/atomic"
	"time"
)

const (
	sleepers = 64
	giveUp   = 70 * sec
)

func napTime() time.Duration {
	if quick {
		return 20 * time.Millisecond
	}
	return time.Second
}

// submitSleepers returns a counter of those that have started.
func submitSleepers() *int64 {
	started := new(int64)
	task := func() {
		atomic.AddInt64(started, 1)
		time.Sleep(napTime())
	}
	for i := 0; i < sleepers; i++ {
		submit(task)
	}
	return started
}

// runInstant returns when the task ran.
func runInstant() int64 {
	done := make(chan struct{})
	var ran int64
	var others float64
	start := now()
	submit(func() {
		ran = now()
		others = threads()
		close(done)
	})
	<-done
	emit("run_us", float64(ran-start)/1e3)
	emit("threads", others)
	return ran
}

// blockedCold asks 1 ms after the last sleeper was submitted.
func blockedCold() {
	startPool()
	begin := now()
	submitSleepers()
	time.Sleep(time.Millisecond)
	emit("all_us", float64(runInstant()-begin)/1e3)
}

// blockedWarm asks once all the sleepers have started.
func blockedWarm() {
	startPool()
	begin := now()
	started := submitSleepers()
	for atomic.LoadInt64(started) < sleepers {
		if now()-begin > giveUp {
			emit("run_us", float64(now()-begin)/1e3)
			skip("the sleepers do not start")
		}
		time.Sleep(100 * time.Microsecond)
	}
	runInstant()
}
