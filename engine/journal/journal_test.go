package journal

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
)

func open(t *testing.T, dir string, b Bounds) *Journal {
	t.Helper()
	j, err := Open(dir, b)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
	return j
}

func write(t *testing.T, j *Journal, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		if err := j.Append(fmt.Appendf(nil, "line %d\n", i)); err != nil {
			t.Fatal(err)
		}
	}
}

// numbers reads from a line on and gives the numbers that the lines have.
func numbers(t *testing.T, j *Journal, from int64) (all []int64) {
	t.Helper()
	r, err := j.Reader(from)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		n := r.Number()
		line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if n = max(n, r.Number()-1); string(line) != fmt.Sprintf("line %d", n) {
			t.Fatalf("line %d is %q", n, line)
		}
		all = append(all, n)
	}
}

func TestTheOldestLinesGoAndTheOthersKeepTheirNumbers(t *testing.T) {
	j := open(t, t.TempDir(), Bounds{Segment: 100, Segments: 2})
	write(t, j, 0, 100)
	first, next := j.Range()
	if next != 100 || first < 70 || first > 90 {
		t.Errorf("%d to %d are kept", first, next)
	}
	got := numbers(t, j, 0)
	if got[0] != first || got[len(got)-1] != 99 || int64(len(got)) != next-first {
		t.Errorf("%v were read", got)
	}
	if got := numbers(t, j, 95); len(got) != 5 || got[0] != 95 {
		t.Errorf("from 95 on %v were read", got)
	}
	if got := numbers(t, j, 100); got != nil {
		t.Errorf("after the end %v were read", got)
	}
}

func TestAJournalGoesOnWhereItWasAndDropsALineThatWasCutOff(t *testing.T) {
	dir := t.TempDir()
	j := open(t, dir, Bounds{})
	write(t, j, 0, 3)
	j.Close()
	files, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	out, err := os.OpenFile(files[0], os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	out.WriteString("line 3 that was c")
	out.Close()
	j = open(t, dir, Bounds{})
	write(t, j, 3, 5)
	if got := numbers(t, j, 0); len(got) != 5 {
		t.Errorf("%v were read", got)
	}
}

func TestAReaderThatIsAtTheEndGoesOnWithWhatComes(t *testing.T) {
	j := open(t, t.TempDir(), Bounds{Segment: 20, Segments: 3})
	r, err := j.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for i := range 30 {
		if _, err := r.Next(); !errors.Is(err, io.EOF) {
			t.Fatalf("before line %d: %v", i, err)
		}
		changed := j.Changed()
		write(t, j, i, i+1)
		<-changed
		if line, err := r.Next(); err != nil || string(line) != fmt.Sprintf("line %d", i) {
			t.Fatalf("%q, %v", line, err)
		}
	}
}

func TestAReaderOfAJournalThatIsRemovedEndsWithItsSegment(t *testing.T) {
	j := open(t, t.TempDir(), Bounds{Segment: 20, Segments: 3})
	write(t, j, 0, 5)
	r, err := j.Reader(0)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := j.Remove(); err != nil {
		t.Fatal(err)
	}
	read := 0
	for ; err == nil; read++ {
		_, err = r.Next()
	}
	if read < 2 || !errors.Is(err, io.EOF) {
		t.Errorf("after %d lines it ended with %v", read, err)
	}
}
