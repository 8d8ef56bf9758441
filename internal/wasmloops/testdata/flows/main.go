// Command flows runs through every kind of flow that a Go function can have, and writes down what it computes.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"
)

// jumps has loops that are left and gone on with from within, and labels.
func jumps(n int) (sum int) {
outer:
	for i := range n {
		for j := 0; ; j++ {
			switch {
			case j*i%7 == 3:
				continue outer
			case j > 2*n:
				break outer
			case (i+j)%5 == 0:
				if j > i {
					break
				}
				sum += 3
				fallthrough
			case j%2 == 0:
				sum += j
			default:
				sum--
			}
			if j > 40 {
				goto next
			}
		}
	next:
		sum ^= i << 3
	}
	return sum
}

// twoEntries has a loop that is entered in two places.
func twoEntries(n int) (sum int) {
	i := 0
	if n%2 == 0 {
		goto middle
	}
begin:
	sum += i
middle:
	i++
	sum += 2 * i
	if i < n {
		goto begin
	}
	return sum
}

func collatz(n int) (most int) {
	for k := 1; k <= n; k++ {
		length := 0
		for x := k; x != 1; length++ {
			if x%2 == 0 {
				x /= 2
			} else {
				x = 3*x + 1
			}
		}
		most = max(most, length)
	}
	return most
}

func floats(n int) (sum float64) {
	best := [12]float64{}
	for i := range n {
		for k := range best {
			if v := float64(i*k%13) / 7; v > best[k] {
				best[k] = v
			} else if v < 0.2 {
				continue
			}
			sum += best[k]
		}
	}
	return sum
}

// outside panics within loops and goes on in a deferred function.
func outside(list []int, at int) (got int, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("recovered: %v", r)
		}
	}()
	for i := 0; ; i++ {
		got += list[i] / (at - i)
	}
}

func deep(n int) int {
	var room [200]int
	if n == 0 {
		return 0
	}
	room[n%200] = n
	return deep(n-1) + room[n%200] - n + 1
}

// Goroutines are put aside in the middle of loops, on every way there is.
func goroutines() (sum int) {
	in, out, done := make(chan int), make(chan int, 3), make(chan struct{})
	var group sync.WaitGroup
	var lock sync.Mutex
	total := 0
	for worker := range 5 {
		group.Go(func() {
			for x := range in {
				for k := range x % 4 {
					runtime.Gosched()
					lock.Lock()
					total += k * worker % 2
					lock.Unlock()
				}
				if x%11 == 0 {
					time.Sleep(time.Microsecond)
				}
				out <- x * x
			}
		})
	}
	go func() {
		for i := range 300 {
			in <- i
		}
		close(in)
		group.Wait()
		close(done)
	}()
	for {
		select {
		case x := <-out:
			if x%3 == 0 {
				continue
			}
			sum += x
		case <-done:
			for {
				select {
				case x := <-out:
					if x%3 != 0 {
						sum += x
					}
				default:
					return sum
				}
			}
		}
	}
}

// numbers yields to a loop elsewhere.
func numbers(n int) func(func(int, string) bool) {
	return func(yield func(int, string) bool) {
		for i := range n {
			if !yield(i, strings.Repeat("x", i%5)) {
				return
			}
		}
	}
}

func collected() (sum int) {
	kept := map[string][]*[64]int{}
	for i := range 20000 {
		key := fmt.Sprint(i % 100)
		kept[key] = append(kept[key], &[64]int{i})
		if i%1000 == 999 {
			runtime.GC()
			for k, list := range kept {
				sum += list[len(list)-1][0] + len(k)
				kept[k] = slices.Clone(list[len(list)/2:])
			}
		}
	}
	return sum
}

type shape interface{ area(int) int }
type square int
type twice struct{ shape }

func (s square) area(n int) int { return int(s) * n }
func (t twice) area(n int) int {
	if n == 0 {
		return 0
	}
	return 2*t.shape.area(n) + t.area(n-1)
}

func main() {
	for _, n := range []int{0, 1, 2, 7, 50} {
		fmt.Println("jumps", n, jumps(n), "entries", twoEntries(n))
	}
	fmt.Println("collatz", collatz(3000), "floats", floats(500), "deep", deep(20000))
	for _, at := range []int{-1, 0, 2, 4} {
		fmt.Println(outside([]int{1, 2, 3}, at))
	}
	fmt.Println("goroutines", goroutines())
	sum := 0
	for i, s := range numbers(100) {
		if i%7 == 0 {
			continue
		}
		if sum += len(s); sum > 120 {
			break
		}
	}
	fmt.Println("yield", sum, "collected", collected(), "shapes", twice{square(3)}.area(9))
	words := strings.Fields("the same order whichever way they are sorted in the end of the day")
	slices.SortFunc(words, func(a, b string) int { return strings.Compare(b, a) })
	fmt.Println(words, errors.Is(fmt.Errorf("with: %w", os.ErrNotExist), os.ErrNotExist))
	defer fmt.Println("deferred")
	func() {
		defer func() { fmt.Println("once more:", recover()) }()
		var none *[3]int
		fmt.Println(none[len(os.Args)%3])
	}()
}
