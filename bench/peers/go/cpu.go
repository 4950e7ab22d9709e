// SPDX-License-Identifier: MIT

// More tasks with CPU work than CPUs: does the pool stay out of their way? In a
// cgroup with a quota the same program shows what throttling does to it.
package main

import (
	"runtime"
	"sync/atomic"
)

func oversub() {
	const work = 5 * msec
	tasks := amount(200)
	left := int64(tasks)
	done := make(chan struct{})
	task := func() {
		burnCPU(work)
		if atomic.AddInt64(&left, -1) == 0 {
			close(done)
		}
	}
	startPool()
	before := switches()
	start := now()
	for i := 0; i < tasks; i++ {
		submit(task)
	}
	<-done
	took := now() - start
	after := switches()
	ideal := float64(tasks) * float64(work) / float64(runtime.NumCPU())
	emit("makespan_x", float64(took)/ideal)
	emit("switches", after-before)
}
