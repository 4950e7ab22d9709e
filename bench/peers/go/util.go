// SPDX-License-Identifier: MIT

// Clocks, work for the CPU, percentiles.
package main

import (
	"sort"
	"strconv"
	"strings"
	"syscall"
	"time"
	"unsafe"
)

const (
	usec = int64(time.Microsecond)
	msec = int64(time.Millisecond)
	sec  = int64(time.Second)
)

var epoch = time.Now()

// now is the monotonic clock, without the other one that time.Now reads too.
func now() int64 {
	return int64(time.Since(epoch))
}

var sink uint64

// turn is what the CPU is kept busy with: a chain that no compiler shortens.
func turn(n int64) {
	x := uint64(n)
	for i := int64(0); i < n; i++ {
		x = x*6364136223846793005 + 1442695040888963407
	}
	if x == 0 {
		sink++ // keeps the loop
	}
}

// spin uses so much CPU time, on the monotonic clock. In a step that is long this
// goroutine did not run.
func spin(ns int64) {
	const longStep = 2000
	last := now()
	for done := int64(0); done < ns; {
		t := now()
		step := t - last
		if step > longStep {
			step = longStep
		}
		done += step
		last = t
	}
}

const (
	processCPU = 2
	threadCPU  = 3
)

func cpuClock(clock uintptr) int64 {
	var ts syscall.Timespec
	syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clock,
		uintptr(unsafe.Pointer(&ts)), 0)
	return ts.Nano()
}

// burnCPU uses that much CPU time. The runtime may move a goroutine to another
// thread, whose clock has another value: such a step does not count.
func burnCPU(ns int64) {
	last := cpuClock(threadCPU)
	for ns > 0 {
		turn(200)
		t := cpuClock(threadCPU)
		if step := t - last; step > 0 && step < msec {
			ns -= step
		}
		last = t
	}
}

// sleepUntil sleeps in the kernel: the runtime's own timers may be a millisecond
// late when it has nothing else to do.
func sleepUntil(when int64) {
	for d := when - now(); d > 0; d = when - now() {
		ts := syscall.NsecToTimespec(d)
		syscall.Nanosleep(&ts, nil)
	}
}

// emitLatency prints percentiles in microseconds: 50 and 99, 999 for 99.9, 100
// for the largest and 0 for the smallest. It sorts the times.
func emitLatency(ns []int64, percentiles ...int) {
	sort.Slice(ns, func(i, j int) bool { return ns[i] < ns[j] })
	for _, p := range percentiles {
		name, share := "p"+strconv.Itoa(p)+"_us", float64(p)/100
		switch p {
		case 999:
			share = 0.999
		case 100:
			name = "max_us"
		case 0:
			name = "min_us"
		}
		i := int(share*float64(len(ns)-1) + 0.5)
		emit(name, float64(ns[i])/1e3)
	}
}

// fieldOf finds the number after "name:" in a file of /proc.
func fieldOf(file, name string) int64 {
	for _, line := range strings.Split(file, "\n") {
		if strings.HasPrefix(line, name+":") {
			f := strings.Fields(line[len(name)+1:])
			n, err := strconv.ParseInt(f[0], 10, 64)
			if err != nil {
				die(err)
			}
			return n
		}
	}
	return 0
}
