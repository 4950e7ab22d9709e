// SPDX-License-Identifier: MIT

// What the process costs when everything was used once and nothing is left to
// do. The thread that sleeps meanwhile is not counted.
package main

import (
	"runtime"
	"sync"
	"time"
)

func idle() {
	var all sync.WaitGroup
	startPool()
	all.Add(33)
	for i := 0; i < 32; i++ {
		i := i
		submit(func() {
			if i%2 == 0 {
				burnCPU(12 * msec)
			} else {
				time.Sleep(2 * time.Millisecond)
			}
			all.Done()
		})
	}
	time.AfterFunc(3*time.Millisecond, all.Done)
	all.Wait()
	time.Sleep(500 * time.Millisecond)
	runtime.LockOSThread()
	before := readUsage()
	sleepUntil(now() + int64(amount(10000))*msec)
	after := readUsage()
	emit("threads", threads())
	emit("switches", float64(after.switches-before.switches))
	emit("cpu_us", after.cpuUs-before.cpuUs)
	emitMemory()
}

// emitMemory is a scenario as well: of a process that did nothing.
func emitMemory() {
	memory := readProc("smaps_rollup")
	emit("rss_kib", float64(fieldOf(memory, "Rss")))
	emit("private_dirty_kib", float64(fieldOf(memory, "Private_Dirty")))
}
