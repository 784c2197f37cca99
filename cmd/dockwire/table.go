package main

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// table prints rows in columns. A column never gets narrower, so that rows that
// come later stand below the others.
type table struct {
	app    *app
	header []string
	widths []int
}

// cell is a field of a table, with its colour.
type cell struct{ text, color string }

func (a *app) table(header ...string) *table {
	return &table{app: a, header: header}
}

// write prints rows, and the header before the first.
func (t *table) write(rows ...[]cell) {
	first := t.widths == nil
	if first {
		t.widths = make([]int, len(t.header))
		t.fit(plainCells(t.header))
	}
	for _, row := range rows {
		for i := range row {
			row[i].text = clean(row[i].text)
		}
		t.fit(row)
	}
	if first {
		t.line(plainCells(t.header))
	}
	for _, row := range rows {
		t.line(row)
	}
}

func (t *table) fit(row []cell) {
	for i, c := range row {
		t.widths[i] = max(t.widths[i], utf8.RuneCountInString(c.text))
	}
}

func (t *table) line(row []cell) {
	var b strings.Builder
	for i, c := range row {
		b.WriteString(t.app.paint(t.app.stdout, c.color, c.text))
		if i < len(row)-1 {
			b.WriteString(strings.Repeat(" ", t.widths[i]-utf8.RuneCountInString(c.text)+3))
		}
	}
	fmt.Fprintln(t.app.stdout, b.String())
}

func plainCells(texts []string) []cell {
	row := make([]cell, len(texts))
	for i, text := range texts {
		row[i].text = text
	}
	return row
}
