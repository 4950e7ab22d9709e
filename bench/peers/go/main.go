// SPDX-License-Identifier: MIT

// The peers in Go: two programs from one package, told apart by a build tag.
//
//	pool_goroutines.go  a goroutine per task
//	pool_channel.go     as many goroutines as CPUs, reading a buffered channel
//	main.go             options, the list of scenarios
//	throughput.go       submit, chain, ping-pong
//	forkjoin.go         a task per call of fib()
//	burst.go            completion latency under bursts
//	blocked.go          64 sleepers and one that must not wait for them
//	blockmix.go         CPU and sleep mixed
//	blockread.go        CPU and real blocking mixed
//	cpu.go              more tasks with CPU work than CPUs
//	timers.go           timers of the standard library
//	idle.go             what is left when there is nothing to do
//	util.go, proc.go    clocks, percentiles, what /proc says
//
// Chosen for both: the defaults of the runtime, so GOMAXPROCS is the number of
// CPUs and the collector is on. A task is a func() that exists before the clock
// starts wherever tasks are counted by the million; "go f()" and a send of f
// then allocate nothing. A task that sleeps uses time.Sleep: that is what blocks
// in Go. There is no compiler at run time, so nothing is warmed up.
package main

import (
	"fmt"
	"os"
)

const skipCode = 77

type scenario struct {
	name string
	run  func()
}

// What both pools can do; a pool file adds to it in its moreScenarios.
func scenarios() []scenario {
	return append([]scenario{
		{"submit1", func() { submitRun(1) }},
		{"submit2", func() { submitRun(2) }},
		{"submit4", func() { submitRun(4) }},
		{"chain", chain},
		{"pingpong", pingpong},
		{"pingpong1", pingpong},
		{"burst", burst},
		{"blocked64_cold", blockedCold},
		{"blocked64_warm", blockedWarm},
		{"blockmix", blockmix},
		{"blockread", blockread},
		{"oversub", oversub},
		{"quota", oversub},
		{"timers_pair", timersPair},
		{"timers_late", timersLate},
		{"idle", idle},
		{"startup", startup},
		{"empty", func() {}},
		{"empty_mem", emitMemory},
	}, moreScenarios...)
}

// quick is for the tests: a thousandth of the work, numbers without meaning.
var quick bool

// amount scales a number of repetitions.
func amount(n int) int {
	if !quick {
		return n
	}
	if n < 8000 {
		return 8
	}
	return n / 1000
}

func emit(name string, value float64) {
	fmt.Printf("%s %.3f\n", name, value)
}

func die(err error) {
	fmt.Fprintf(os.Stderr, "peer-%s: %v\n", peerName, err)
	os.Exit(1)
}

// skip ends a scenario that this peer cannot do.
func skip(why string) {
	fmt.Fprintf(os.Stderr, "peer-%s: %s\n", peerName, why)
	os.Exit(skipCode)
}

func usage() {
	fmt.Fprintf(os.Stderr, "usage: peer-%s SCENARIO [--quick] | --list\n",
		peerName)
	os.Exit(2)
}

func main() {
	name := ""
	for _, arg := range os.Args[1:] {
		switch {
		case arg == "--quick":
			quick = true
		case name == "":
			name = arg
		default:
			usage()
		}
	}
	if name == "" {
		usage()
	}
	for _, s := range scenarios() {
		if name == "--list" {
			fmt.Println(s.name)
		} else if name == s.name {
			s.run()
			return
		}
	}
	if name != "--list" {
		skip("no scenario " + name)
	}
}
