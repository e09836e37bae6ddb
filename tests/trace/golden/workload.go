// workload.go: what go_1_19.trace is a trace of: locks, sleeps, channels, a pipe, a socket, a call that blocks its
// thread, tasks with regions and logs, and CPU samples. Written anew with
// GO111MODULE=off go1.19 run -trimpath workload.go go_1_19.trace; test_decode.c has the counts of go tool trace -d.
package main

import (
	"bytes"
	"context"
	"net"
	"os"
	"runtime"
	"runtime/pprof"
	"runtime/trace"
	"sync"
	"syscall"
	"time"
)

var sum int

func burn(duration time.Duration) {
	for end := time.Now().Add(duration); time.Now().Before(end); {
		sum++
	}
}

func serve(lock *sync.Mutex, done *sync.WaitGroup) {
	defer done.Done()
	for i := 0; i < 2; i++ {
		ctx, request := trace.NewTask(context.Background(), "Produce")
		trace.Log(ctx, "client", "c1")
		trace.WithRegion(ctx, "decode", func() { sum++ })
		trace.WithRegion(ctx, "append", func() {
			lock.Lock()
			time.Sleep(100 * time.Microsecond)
			lock.Unlock()
		})
		request.End()
	}
}

func socket() {
	listener, _ := net.Listen("tcp", "127.0.0.1:0")
	go func() {
		connection, _ := net.Dial("tcp", listener.Addr().String())
		time.Sleep(time.Millisecond)
		connection.Write([]byte("hi"))
		connection.Close()
	}()
	connection, _ := listener.Accept()
	connection.Read(make([]byte, 4))
	connection.Close()
}

// A read that keeps its thread for longer than the runtime waits for it.
func blockingCall() {
	var ends [2]int
	syscall.Pipe(ends[:])
	go func() {
		time.Sleep(5 * time.Millisecond)
		syscall.Write(ends[1], []byte("x"))
	}()
	syscall.Read(ends[0], make([]byte, 1))
}

func main() {
	runtime.GOMAXPROCS(2)
	var samples bytes.Buffer
	pprof.StartCPUProfile(&samples)
	file, _ := os.Create(os.Args[1])
	trace.Start(file)
	var lock sync.Mutex
	var done sync.WaitGroup
	for i := 0; i < 3; i++ {
		done.Add(1)
		go serve(&lock, &done)
	}
	done.Wait()
	socket()
	go burn(30 * time.Millisecond)
	blockingCall()
	burn(25 * time.Millisecond)
	trace.Stop()
	file.Close()
}
