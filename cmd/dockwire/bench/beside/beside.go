// Package beside measures a contender beside others in one run. The machine may
// be slow, or busy with something else: what counts is the ratio of two turns
// that follow each other, and of those the median.
package beside

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Rounds is how often the contenders take turns.
const Rounds = 5

// Contender is one of those that do the same work.
type Contender struct {
	Name string

	// Turn does the work once and gives the figure of it, in the contest's unit.
	Turn func() float64

	// AtLeast is the ratio to this contender that the first one is to reach;
	// 0 if none was promised.
	AtLeast float64
}

// Contest is work that is measured.
type Contest struct {
	Work string // in a few words
	Unit string // of the figures
	Less bool   // the lesser figure is the better one
	Warm bool   // take a turn each before the first round, which does not count
}

// Run lets the contenders take turns, ours first, and notes for Main how we
// stand to each of the others: a ratio over 1 is better than theirs.
func (c Contest) Run(b *testing.B, ours Contender, others ...Contender) {
	b.Helper()
	all := append([]Contender{ours}, others...)
	figures := make([][]float64, len(all))
	for b.Loop() {
		if c.Warm {
			c.round(all)
		}
		for range Rounds {
			for i, figure := range c.round(all) {
				figures[i] = append(figures[i], figure)
			}
		}
	}
	b.ReportMetric(0, "ns/op") // of no meaning here
	for i, contender := range all {
		b.ReportMetric(median(figures[i]), strings.ReplaceAll(contender.Name, " ", "-")+"-"+c.Unit)
		if i > 0 {
			note(c, contender, figures[0], figures[i])
		}
	}
}

func (c Contest) round(all []Contender) []float64 {
	figures := make([]float64, len(all))
	for i, contender := range all {
		figures[i] = contender.Turn()
	}
	return figures
}

// rows are the lines of the table that Main prints.
var (
	mu   sync.Mutex
	rows [][]string
)

func note(c Contest, other Contender, ours, theirs []float64) {
	ratios := make([]float64, len(ours))
	for i := range ours {
		ratios[i] = ours[i] / theirs[i]
		if c.Less {
			ratios[i] = theirs[i] / ours[i]
		}
	}
	goal, met := "-", "-"
	if other.AtLeast != 0 {
		goal, met = number(other.AtLeast), "short"
		if median(ratios) >= other.AtLeast {
			met = "met"
		}
	}
	mu.Lock()
	defer mu.Unlock()
	rows = append(rows, []string{c.Work, other.Name, c.Unit, number(median(ours)), number(median(theirs)),
		number(slices.Min(ratios)), number(median(ratios)), number(slices.Max(ratios)), goal, met})
}

// Main runs the benchmarks and prints the ratios after them. It gives the code
// to exit with. BENCH_ROWS names a file that gathers the rows of several
// packages, so that the last one's table is of all.
func Main(m *testing.M) int {
	code := m.Run()
	if len(rows) == 0 {
		return code
	}
	if file := os.Getenv("BENCH_ROWS"); file != "" {
		if err := gather(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			code = 1
		}
	}
	print(append([][]string{{"work", "beside", "unit", "ours", "theirs", "min", "median", "max", "goal", ""}}, rows...))
	return code
}

// gather puts the rows of the file before ours, and all into the file.
func gather(file string) error {
	before, err := os.ReadFile(file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	var all [][]string
	if len(before) > 0 {
		if err := json.Unmarshal(before, &all); err != nil {
			return err
		}
	}
	rows = append(all, rows...)
	text, err := json.Marshal(rows)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o644)
}

// print aligns the columns, words to the left and numbers to the right.
func print(table [][]string) {
	widths := make([]int, len(table[0]))
	for _, row := range table {
		for i, cell := range row {
			widths[i] = max(widths[i], len(cell))
		}
	}
	for _, row := range table {
		for i, cell := range row {
			if i < 3 {
				cell += strings.Repeat(" ", widths[i]-len(cell))
			}
			row[i] = fmt.Sprintf("%*s", widths[i], cell)
		}
		fmt.Fprintln(os.Stdout, strings.TrimRight(strings.Join(row, "  "), " "))
	}
}

func number(x float64) string {
	switch {
	case x >= 100:
		return fmt.Sprintf("%.0f", x)
	case x >= 10:
		return fmt.Sprintf("%.1f", x)
	case x >= 0.1:
		return fmt.Sprintf("%.2f", x)
	}
	return fmt.Sprintf("%.4f", x)
}

func median(all []float64) float64 {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}
