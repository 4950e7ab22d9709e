// SPDX-License-Identifier: MIT

// Bursts on an absolute timetable: how late is the last of a crowd, and do the
// short tasks wait for long ones?
package main

import (
	"runtime"
	"sync/atomic"
	"time"
)

const burstPeriod = 10 * msec

// A burst in its order: how many tasks of how much CPU.
var burstMix = []struct {
	tasks int
	ns    int64
}{{1000, 1 * usec}, {1000, 5 * usec}, {100, 100 * usec}}

// burst submits from a goroutine. (With one that has a thread of its own and sleeps
// in the kernel the median was 79 to 94 ms instead of 2.) A task's latency is from
// the due time of its burst, so a late submitter counts as well.
func burst() {
	perBurst := 0
	for _, m := range burstMix {
		perBurst += m.tasks
	}
	bursts := amount(1000)
	late := make([]int64, bursts*perBurst)
	tasks := make([]func(), len(late))
	left := int64(len(late))
	done := make(chan struct{})
	start := int64(0)
	for i := range tasks {
		slot, work := &late[i], burstWork(i%perBurst)
		offset := int64(i/perBurst) * burstPeriod
		tasks[i] = func() {
			spin(work)
			*slot = now() - start - offset
			if atomic.AddInt64(&left, -1) == 0 {
				close(done)
			}
		}
	}
	runtime.GC()
	startPool()
	start = now() + burstPeriod
	for b := 0; b < bursts; b++ {
		time.Sleep(time.Duration(start + int64(b)*burstPeriod - now()))
		for _, task := range tasks[b*perBurst : (b+1)*perBurst] {
			submit(task)
		}
	}
	<-done
	emitLatency(late, 50, 99, 999, 100)
}

func burstWork(i int) int64 {
	for _, m := range burstMix {
		if i < m.tasks {
			return m.ns
		}
		i -= m.tasks
	}
	panic("no such task")
}
