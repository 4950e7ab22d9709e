// SPDX-License-Identifier: MIT

// Tasks that use the CPU, sleep, and use the CPU again: are the sleeps hidden?
package main

import (
	"runtime"
	"sync/atomic"
	"time"
)

const (
	mixTasks = 2000
	mixCPU   = 50 * usec // before and after the block
)

// mixRun submits the tasks and prints their makespan over that of their CPU work
// alone, spread over all CPUs; and the CPU time of the process over the same.
func mixRun(tasks int, block func(i int)) {
	left := int64(tasks)
	done := make(chan struct{})
	startCPU := cpuClock(processCPU)
	start := now()
	for i := 0; i < tasks; i++ {
		i := i
		submit(func() {
			burnCPU(mixCPU)
			block(i)
			burnCPU(mixCPU)
			if atomic.AddInt64(&left, -1) == 0 {
				close(done)
			}
		})
	}
	<-done
	took := float64(now() - start)
	cpu := float64(cpuClock(processCPU) - startCPU)
	ideal := float64(tasks) * 2 * float64(mixCPU) /
		float64(runtime.NumCPU())
	emit("makespan_x", took/ideal)
	emit("cpu_x", cpu/float64(runtime.NumCPU())/ideal)
}

func blockmix() {
	startPool()
	mixRun(amount(mixTasks), func(int) { time.Sleep(time.Millisecond) })
}
