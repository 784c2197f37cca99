package ingress

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestMain fails if a goroutine of an ingress outlives the tests.
func TestMain(m *testing.M) {
	code := m.Run()
	for late := time.Now().Add(5 * time.Second); code == 0 && leaked() != ""; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(late) {
			fmt.Println("left running:\n" + leaked())
			code = 1
		}
	}
	os.Exit(code)
}

func leaked() string {
	stacks := make([]byte, 1<<20)
	var left []string
	for stack := range strings.SplitSeq(string(stacks[:runtime.Stack(stacks, true)]), "\n\n") {
		if strings.Contains(stack, "daemon/ingress.(*") {
			left = append(left, stack)
		}
	}
	return strings.Join(left, "\n\n")
}
