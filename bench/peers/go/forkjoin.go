// SPDX-License-Identifier: MIT

//go:build goroutines

// A goroutine per call of fib(), without a cutoff; the caller computes one half
// itself and receives the other, which costs it a park only if it must wait.
package main

import "fmt"

func fib(n int) int {
	if n < 2 {
		return n
	}
	half := make(chan int, 1)
	go func() { half <- fib(n - 1) }()
	return fib(n-2) + <-half
}

// calls is how often fib() is called to compute fib(n).
func calls(n int) (sum, calls int) {
	a, b := 0, 1
	for i := 0; i < n; i++ {
		a, b = b, a+b
	}
	return a, 2*b - 1
}

func forkjoin() {
	n := 27
	if quick {
		n = 12
	}
	want, tasks := calls(n)
	start := now()
	got := fib(n)
	took := now() - start
	if got != want {
		die(fmt.Errorf("fib(%d) is %d, not %d", n, got, want))
	}
	emit("task_ns", float64(took)/float64(tasks))
}
