// SPDX-License-Identifier: MIT

// Timers of package time. They belong to the runtime, not to a pool, and any
// goroutine may arm and stop them.
package main

import (
	"sync/atomic"
	"time"
)

// timersPair arms and stops one timer again and again: cheaper than a new one
// each time, and what a user with a time-out per request does.
func timersPair() {
	pairs := amount(1000000)
	t := time.AfterFunc(time.Minute, func() {})
	t.Stop()
	start := now()
	for i := 0; i < pairs; i++ {
		t.Reset(time.Minute)
		t.Stop()
	}
	emit("pair_ns", float64(now()-start)/float64(pairs))
}

// timersLate arms the i-th timer for 200 ms and i times 10 us from then on, so that
// they end spread over a second.
func timersLate() {
	timers := amount(100000)
	late := make([]int64, timers)
	left := int64(timers)
	done := make(chan struct{})
	for i := range late {
		slot := &late[i]
		delay := 200*msec + int64(i)*sec/int64(timers)
		due := now() + delay
		time.AfterFunc(time.Duration(delay), func() {
			*slot = now() - due
			if atomic.AddInt64(&left, -1) == 0 {
				close(done)
			}
		})
	}
	<-done
	emitLatency(late, 50, 99, 100, 0)
}
