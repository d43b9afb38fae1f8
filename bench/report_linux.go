package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"fleetgate/bench/chart"
)

// section is what one measurement has to say.
type section struct {
	title    string
	text     string // what was done
	goals    []goal
	tables   []table
	pictures []picture
	notes    []string
}

// goal is what was to be reached, and what was.
type goal struct {
	want, got string
	met       bool
}

type table struct {
	head []string
	rows [][]string
}

// picture is a chart and the name of its file, without an ending.
type picture struct {
	name string
	chart.Chart
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t table) String() string {
	var b strings.Builder
	line := func(cells []string) { fmt.Fprintf(&b, "| %s |\n", strings.Join(cells, " | ")) }
	line(t.head)
	fmt.Fprintf(&b, "|%s\n", strings.Repeat("---|", len(t.head)))
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// markdown is a section as the report has it; pictures are in a folder beside it.
func (s section) markdown(folder string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n%s\n\n", s.title, s.text)
	for _, g := range s.goals {
		verdict := "not met"
		if g.met {
			verdict = "met"
		}
		fmt.Fprintf(&b, "* Goal: %s. **%s**: %s.\n", g.want, verdict, g.got)
	}
	if len(s.goals) > 0 {
		b.WriteString("\n")
	}
	for _, t := range s.tables {
		fmt.Fprintf(&b, "%s\n", t)
	}
	for _, p := range s.pictures {
		fmt.Fprintf(&b, "![%s](%s/%s.svg)\n\n", p.Title, folder, p.name)
	}
	for _, note := range s.notes {
		fmt.Fprintf(&b, "%s\n\n", note)
	}
	return b.String()
}

// write puts the sections into the report, in place of those of an earlier run; without a file they are printed.
func (b *bench) write(ctx context.Context, sections map[string]section, out string) error {
	machine, err := b.machine(ctx)
	if err != nil {
		return err
	}
	if out == "" {
		fmt.Println(machine)
		for _, m := range measurements {
			if s, measured := sections[m.name]; measured {
				fmt.Print(s.markdown("benchmarks"))
			}
		}
		return nil
	}
	report, err := os.ReadFile(out)
	if err != nil {
		return err
	}
	folder := strings.TrimSuffix(out, filepath.Ext(out))
	text := replace(string(report), "machine", machine)
	for _, m := range measurements {
		s, measured := sections[m.name]
		if !measured {
			continue
		}
		text = replace(text, m.name, s.markdown(filepath.Base(folder)))
		if err := draw(folder, s.pictures); err != nil {
			return err
		}
	}
	return os.WriteFile(out, []byte(text), 0o644)
}

// draw writes pictures into a folder.
func draw(folder string, pictures []picture) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	for _, p := range pictures {
		if err := os.WriteFile(filepath.Join(folder, p.name+".svg"), []byte(p.SVG()), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// replace puts a text between the two marks of its name, at the end where there are none.
func replace(report, name, text string) string {
	begin, end := "<!-- bench: "+name+" -->\n", "<!-- bench: end of "+name+" -->\n"
	before, rest, found := strings.Cut(report, begin)
	if !found {
		return report + "\n" + begin + "\n" + text + end
	}
	_, after, _ := strings.Cut(rest, end)
	return before + begin + "\n" + text + end + after
}
