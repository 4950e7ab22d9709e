// SPDX-License-Identifier: MIT

// What a task costs: submitted from outside, by itself, and with a waiter.
package main

import (
	"os"
	"sync"
)

// submitRun has n goroutines outside the pool submit a million tasks.
func submitRun(n int) {
	each := amount(1000000) / n
	startPool()
	send, wait := newNoops(each * n)

	var producers sync.WaitGroup
	gun := make(chan struct{})
	producers.Add(n)
	for i := 0; i < n; i++ {
		go func(lo int) {
			<-gun
			send(lo, lo+each)
			producers.Done()
		}(i * each)
	}
	start := now()
	close(gun)
	producers.Wait()
	wait()
	emit("item_ns", float64(now()-start)/float64(each*n))
}

// chain is one task that submits itself again.
func chain() {
	left := amount(1000000)
	total := left
	done := make(chan struct{})
	var task func()
	task = func() {
		if left--; left > 0 {
			submit(task)
		} else {
			close(done)
		}
	}
	startPool()
	start := now()
	submit(task)
	<-done
	emit("item_ns", float64(now()-start)/float64(total))
}

// pingpong waits for one result at a time, through a channel.
func pingpong() {
	done := make(chan struct{}, 1)
	task := func() { done <- struct{}{} }
	trips := make([]int64, amount(20000))
	startPool()
	for i := range trips {
		start := now()
		submit(task)
		<-done
		trips[i] = now() - start
	}
	emitLatency(trips, 50, 99)
}

// startup ends the process in the first task, for whoever takes the time of that.
func startup() {
	startPool()
	submit(func() { os.Exit(0) })
	select {}
}
