// SPDX-License-Identifier: MIT

// What the kernel knows about this process.
package main

import (
	"os"
	"strconv"
	"strings"
	"syscall"
)

func readProc(name string) string {
	b, err := os.ReadFile("/proc/self/" + name)
	if err != nil {
		die(err)
	}
	return string(b)
}

// threads is their number without the main one.
func threads() float64 {
	return float64(fieldOf(readProc("status"), "Threads") - 1)
}

type taskUsage struct {
	switches int64
	cpuUs    float64
}

// readUsage adds up context switches and CPU time of all threads that there are,
// without the calling one.
func readUsage() (u taskUsage) {
	tasks, err := os.ReadDir("/proc/self/task")
	if err != nil {
		die(err)
	}
	for _, task := range tasks {
		if task.Name() == strconv.Itoa(syscall.Gettid()) {
			continue
		}
		status := readProc("task/" + task.Name() + "/status")
		u.switches += fieldOf(status, "voluntary_ctxt_switches") +
			fieldOf(status, "nonvoluntary_ctxt_switches")
		sched := strings.Fields(readProc("task/" + task.Name() +
			"/schedstat"))
		ns, err := strconv.ParseInt(sched[0], 10, 64)
		if err != nil {
			die(err)
		}
		u.cpuUs += float64(ns) / 1e3
	}
	return u
}

// switches of all threads, those that have ended too.
func switches() float64 {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		die(err)
	}
	return float64(r.Nvcsw + r.Nivcsw)
}
